use std::collections::BTreeMap;

use expect_test::{Expect, expect, expect_file};

use super::*;

struct Bed {
    dir: tempfile::TempDir,
    inputs: Inputs,
}

impl Bed {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let inputs = Inputs {
            platform: Platform {
                home: "/home/ada".into(),
                data_dir: "/home/ada/.local/share/archestra".into(),
                cache_dir: "/home/ada/.cache/archestra".into(),
                config_file: dir.path().join("config.toml"),
                current_dir: "/home/ada/work".into(),
            },
            flags: BTreeMap::new(),
            config_flag: None,
            variables: BTreeMap::new(),
        };
        Self { dir, inputs }
    }

    fn file(self, text: &str) -> Self {
        std::fs::write(self.dir.path().join("config.toml"), text).unwrap();
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.inputs
            .variables
            .insert(name.to_owned(), value.to_owned());
        self
    }

    fn flag(mut self, key: &'static str, value: &str) -> Self {
        self.inputs
            .flags
            .entry(key)
            .or_default()
            .push(value.to_owned());
        self
    }

    /// Returns the values that are no defaults, or the mistakes.
    #[track_caller]
    fn check(self, expected: Expect) {
        let text = match Config::load(&self.inputs) {
            Ok(loaded) => dump_toml(&loaded)
                .lines()
                .filter(|it| it.contains(" # "))
                .map(|it| format!("{it}\n"))
                .collect(),
            Err(mistakes) => mistakes.join("\n"),
        };
        let text = text.replace(&self.dir.path().display().to_string(), "DIR");
        expected.assert_eq(&text);
    }
}

#[test]
fn there_is_a_default_for_everything() {
    let bed = Bed::new();
    let loaded = Config::load(&bed.inputs).unwrap();
    expect![[r#"
        data_dir = "/home/ada/.local/share/archestra"
        cache_dir = "/home/ada/.cache/archestra"
        database = ""
        listen = ["127.0.0.1:3000","127.0.0.1:9000"]
        allow_remote = false
        allowed_hosts = []
        request_bytes_max = "16MiB"
        log = "info"
        log_format = "text"
        open_browser = true
        shutdown_grace = "10s"
        podman_socket = ""
        podman_program = "podman"
        podman_args = []
        sandbox.image = ""
        egress.allow_ranges = []
        egress.hosts = []
        registries.npm = ""
        registries.pypi = ""
        registries.hosts = []
        models.discover = true
        models.demo = ""
        install_bytes_max = "2GiB"
        install_free_bytes_min = "256MiB"
        install_step_timeout = "10m"
        installs_max = "2"
        line_bytes_max = "16MiB"
        stop_grace = "2s"
        idle_stop = "10m"
        handshake_timeout = "30s"
        approval_wait = "45s"
        approval_open = "10m"
        question_timeout = "10m"
        call_duration_max = "1h"
        sessions_max = "10000"
        session_idle = "24h"
        session_requests_max = "256"
        memories_max = "200"
        memory_prompt_bytes_max = "8KiB"
        chat_tools_default_max = "40"
        audit_keep = "90d"
        audit_rows_max = "1000000"
    "#]]
    .assert_eq(&dump_toml(&loaded));
}

#[test]
fn flags_come_before_variables_before_the_file() {
    Bed::new()
        .file("idle_stop = \"1m\"\nlog = \"debug\"\ninstalls_max = 3\n[egress]\nhosts = [\"a=10.0.0.1\"]\n")
        .variable("ARCHESTRA_IDLE_STOP", "2m")
        .variable("ARCHESTRA_LISTEN", "127.0.0.1:1, [::1]:2")
        .variable("ARCHESTRA_PODMAN_ARGS", "--root /srv/a,b")
        .flag("idle_stop", "3m")
        .flag("registries.hosts", "a.example:1,b.example:2")
        .flag("registries.hosts", "c.example:3")
        .check(expect![[r#"
            listen = ["127.0.0.1:1","[::1]:2"] # `ARCHESTRA_LISTEN`
            log = "debug" # `log` in `DIR/config.toml`
            podman_args = ["--root","/srv/a,b"] # `ARCHESTRA_PODMAN_ARGS`
            egress.hosts = ["a=10.0.0.1"] # `egress.hosts` in `DIR/config.toml`
            registries.hosts = ["a.example:1","b.example:2","c.example:3"] # `--registries-hosts`
            installs_max = "3" # `installs_max` in `DIR/config.toml`
            idle_stop = "3m" # `--idle-stop`
        "#]]);
}

#[test]
fn all_mistakes_are_told_at_once() {
    Bed::new()
        .file("idle_stop = 5\nlisten = [\"here\"]\nlog = 1.5\nidle_stopp = 1\n[sandbox]\nimage = \"latest\"\n")
        .variable("ARCHESTRA_STOP_GRACE", "soon")
        .variable("ARCHESTRA_LISTN", "127.0.0.1:1")
        .variable("ARCHESTRA_FROBNICATE", "x")
        .variable("ARCHESTRA_DATABASE", "mysql://root:hunter2@db/x")
        .variable("ARCHESTRA_BRIDGE", "/bridge")
        .variable("ARCHESTRA_WEB", "/web")
        .variable("ARCHESTRA_PEERS_NODE", "/node")
        .flag("line_bytes_max", "1GiB")
        .flag("egress.allow_ranges", "10.0.0.0/8,everything")
        .flag("allow_remote", "maybe")
        .check(expect![[r#"
            `idle_stopp` in `DIR/config.toml` is not a setting; did you mean `idle_stop`?
            `log` in `DIR/config.toml` has to be a text, a number, true, false, or a list of them
            `ARCHESTRA_FROBNICATE` is not a setting; `archestra config dump` shows those that there are
            `ARCHESTRA_LISTN` is not a setting; did you mean `ARCHESTRA_LISTEN`?
            `ARCHESTRA_DATABASE` is `mysql://root:redacted@db/x`, expected a path, or an address like `postgres://user:password@host/database`
            `listen` in `DIR/config.toml` is `here`, expected an address like `127.0.0.1:3000`
            `--allow-remote` is `maybe`, expected `true` or `false`
            `sandbox.image` in `DIR/config.toml` is `latest`, expected a reference with a digest like `registry.example/name@sha256:…`
            `--egress-allow-ranges` is `everything`, expected a range like `10.1.0.0/16`
            `--line-bytes-max` is `1GiB`, expected a size from `1KiB` to `64MiB`
            `ARCHESTRA_STOP_GRACE` is `soon`, expected a time like `2s`
            `idle_stop` in `DIR/config.toml` is `5`, expected a time like `10m`"#]]);
}

#[test]
fn a_file_that_is_no_toml_is_told_with_its_line() {
    Bed::new()
        .file("log = \"info\"\nlisten = [\n")
        .check(expect![
            "`DIR/config.toml` (line 2) is not TOML: unclosed array, expected `]`"
        ]);
}

#[test]
fn a_file_that_was_named_has_to_be_there() {
    Bed::new()
        .variable("ARCHESTRA_CONFIG", "missing.toml")
        .check(expect!["cannot read the settings in `/home/ada/work/missing.toml`: No such file or directory (os error 2)"]);
}

#[test]
fn other_machines_are_let_in_only_when_that_is_said() {
    Bed::new()
        .flag("listen", "0.0.0.0:3000,127.0.0.1:9000,[::]:1")
        .check(expect![[r#"
            `--listen` has `0.0.0.0:3000`, which other machines can reach; say `--allow-remote` if that is meant
            `--listen` has `[::]:1`, which other machines can reach; say `--allow-remote` if that is meant"#]]);
    Bed::new()
        .flag("listen", "0.0.0.0:3000")
        .flag("allow_remote", "true")
        .check(expect![[r#"
            listen = ["0.0.0.0:3000"] # `--listen`
            allow_remote = true # `--allow-remote`
        "#]]);
}

#[test]
fn passwords_are_not_shown() {
    for url in [
        "postgres://ada:hunter2@db.example/archestra",
        "postgres://db.example/archestra?user=ada&password=hunter2",
    ] {
        let bed = Bed::new().variable("ARCHESTRA_DATABASE", url);
        let loaded = Config::load(&bed.inputs).unwrap();
        for text in [
            dump_toml(&loaded),
            dump_json(&loaded).to_string(),
            format!("{:?}", loaded.config),
        ] {
            assert!(
                text.contains("db.example") && !text.contains("hunter2"),
                "{text}"
            );
        }
    }
}

#[test]
fn what_is_dumped_can_be_read_back() {
    let bed = Bed::new()
        .flag("listen", "127.0.0.1:1,127.0.0.1:2")
        .flag("podman_args", "--root /x")
        .flag("log", "info,gateway=debug")
        .flag("open_browser", "no");
    let first = Config::load(&bed.inputs).unwrap();
    let again = Bed::new().file(&dump_toml(&first));
    let second = Config::load(&again.inputs).unwrap();
    assert_eq!(
        format!("{:?}", first.config),
        format!("{:?}", second.config)
    );
}

#[test]
fn paths_begin_at_home_or_where_one_is() {
    let bed = Bed::new().flag("data_dir", "~/a").flag("cache_dir", "b");
    let config = Config::load(&bed.inputs).unwrap().config;
    assert_eq!(config.data_dir, PathBuf::from("/home/ada/a"));
    assert_eq!(config.cache_dir, PathBuf::from("/home/ada/work/b"));
    assert_eq!(Config::data_dir(&bed.inputs).unwrap(), config.data_dir);
}

#[test]
fn sizes_and_times_have_units() {
    let times = [
        "10s",
        "250ms",
        "5m",
        "2h",
        "1d",
        "10",
        "s",
        "-1s",
        "1.5s",
        "99999999999999999d",
    ];
    let times: Vec<_> = times.iter().map(|it| parse::duration(it)).collect();
    expect!["[Some(10s), Some(250ms), Some(300s), Some(7200s), Some(86400s), None, None, None, None, None]"].assert_eq(&format!("{times:?}"));
    let sizes = ["1", "2KiB", "3MiB", "4GiB", "5GB", "x", "99999999999999GiB"];
    let sizes: Vec<_> = sizes.iter().map(|it| parse::size(it)).collect();
    expect!["[Some(1), Some(2048), Some(3145728), Some(4294967296), None, None, None]"]
        .assert_eq(&format!("{sizes:?}"));
}

/// Run with `UPDATE_EXPECT=1` after a change of the table.
#[test]
fn the_page_about_settings_is_made_from_the_table() {
    expect_file!["../../../../docs/settings.md"].assert_eq(&docs::reference());
}
