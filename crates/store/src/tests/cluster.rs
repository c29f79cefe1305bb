//! A PostgreSQL cluster for this test binary: in a directory of its own, behind a Unix socket only.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use sqlx::{Connection as _, PgConnection};

/// Runs until its standard input ends, which is when this process does, however it does.
const SCRIPT: &str = r#"
set -e
run() { if [ "$(id -u)" = 0 ]; then setpriv --reuid="$RUN_AS" --regid="$RUN_AS" --clear-groups -- "$@"; else "$@"; fi; }
DIR="$(mktemp -d -t pg.XXXXXX)"
trap 'rm -rf "$DIR"' EXIT
if [ "$(id -u)" = 0 ]; then
  RUN_AS="$(id -u postgres 2>/dev/null || id -u nobody)"
  chown "$RUN_AS" "$DIR"
fi
cd "$DIR"
run "$BIN/initdb" -D "$DIR/data" -U test -A trust -E UTF8 --no-locale --no-sync >"$DIR/initdb.log" 2>&1 || { cat "$DIR/initdb.log" >&2; exit 1; }
run "$BIN/pg_ctl" -D "$DIR/data" -l "$DIR/data/log" -w -o "-k $DIR -c listen_addresses= -c fsync=off -c max_connections=200" start >/dev/null 2>&1 </dev/null || { cat "$DIR/data/log" >&2; exit 1; }
echo "$DIR"
cat >/dev/null
run "$BIN/pg_ctl" -D "$DIR/data" -m immediate -w stop >/dev/null 2>&1
"#;

struct Cluster {
    dir: String,
    // Its standard input is what keeps the cluster up.
    _child: Child,
}

static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// Makes an empty database and returns its address.
pub(crate) async fn new_database() -> Option<String> {
    let cluster = tokio::task::spawn_blocking(|| CLUSTER.get_or_init(start).as_ref())
        .await
        .unwrap();
    let Some(cluster) = cluster else {
        assert!(
            std::env::var_os("CI").is_none(),
            "PostgreSQL (initdb, pg_ctl) is missing, and in CI it must be there"
        );
        return None;
    };
    let name = format!("test{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    let url = |name: &str| format!("postgres://test@localhost/{name}?host={}", cluster.dir);
    let mut admin = PgConnection::connect(&url("postgres")).await.unwrap();
    let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::raw_sql(create).execute(&mut admin).await.unwrap();
    admin.close().await.unwrap();
    Some(url(&name))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the tests bring their own PostgreSQL"
)]
fn start() -> Option<Cluster> {
    let Some(bin) = find_binaries() else {
        loudly("PostgreSQL is missing: the store is NOT tested on it; install `postgresql`");
        return None;
    };
    let mut child = Command::new("sh")
        .args(["-c", SCRIPT])
        .env("BIN", bin)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut dir = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut dir)
        .unwrap();
    let dir = dir.trim().to_owned();
    assert!(!dir.is_empty(), "PostgreSQL did not start");
    Some(Cluster { dir, _child: child })
}

fn find_binaries() -> Option<PathBuf> {
    let has_all = |dir: &Path| {
        let real = dir.join("initdb").canonicalize().ok()?;
        let dir = real.parent()?.to_owned();
        let all = ["initdb", "pg_ctl", "postgres"];
        all.iter().all(|it| dir.join(it).exists()).then_some(dir)
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).find_map(|it| has_all(&it));
    on_path.or_else(|| {
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
        let mut dirs: Vec<PathBuf> = versions.flatten().map(|it| it.path().join("bin")).collect();
        dirs.sort();
        dirs.iter().rev().find_map(|it| has_all(it))
    })
}

#[expect(clippy::print_stderr, reason = "a test that does not run says so")]
fn loudly(text: &str) {
    eprintln!("\n!!! {text}\n");
}
