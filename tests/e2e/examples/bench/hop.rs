//! The gateway's hop alone: a server that speaks HTTP, behind the gateway, behind nginx, and not
//! behind anything.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Stdio},
    time::Duration,
};

use e2e::{Program, ProgramOptions, command, wait_for};

use crate::{
    Built, Failure,
    figures::{Figures, Met, take_turns},
    pin::Pinned,
    session::Session,
    upstream::Upstream,
};

const ROUNDS: usize = 5_000;
const MAX: f64 = 1.2;

pub(crate) fn measure(_: &Built, figures: &mut Figures) -> Result<(), Failure> {
    let upstream = Upstream::start(1)?;
    let program = Program::start_with(&ProgramOptions {
        log: Some("info".to_owned()),
        ..Default::default()
    });
    let url = format!("http://{}/mcp/0", upstream.address());
    program.add(&[&url, "--name", "echo"]);
    let token = program.token("bench", &[]);
    let nginx = Nginx::start(upstream.address())?;

    let mut direct = Session::begin(upstream.address(), "/mcp/0", &token)?;
    let mut gateway = Session::begin(&program.address(), "/mcp/echo", &token)?;
    let mut proxy = match &nginx {
        Some(nginx) => Some(Session::begin(&nginx.address, "/mcp/0", &token)?),
        None => None,
    };
    for is_pinned in [true, false] {
        let mut pids = vec![program.pid()];
        pids.extend(nginx.as_ref().map(|it| it.child.id()));
        let pinned = is_pinned.then(|| Pinned::new(&pids)).flatten();
        if pinned.is_some() != is_pinned {
            continue;
        }
        let how = if is_pinned { "pinned" } else { "not pinned" };
        let what = format!("`tools/call` of 64 B to a server over HTTP, 1 connection, {how}");
        let Some(proxy) = proxy.as_mut() else {
            figures.row(
                &what,
                &format!("≤ {MAX} × nginx"),
                "no nginx here",
                Met::Told,
            );
            continue;
        };
        let [through, plain, around] = take_turns(
            ROUNDS,
            [
                &mut || gateway.echo("echo"),
                &mut || proxy.echo("echo"),
                &mut || direct.echo("echo"),
            ],
        )?;
        let note = " nginx as a plain reverse proxy (a budget of a later milestone)";
        figures.ratio(&format!("{what}: gateway"), MAX, note, &through, &plain);
        figures.added(&format!("{what}: gateway"), None, &through, &around);
        figures.added(&format!("{what}: nginx"), None, &plain, &around);
    }
    Ok(())
}

/// A plain reverse proxy with kept connections on both sides.
struct Nginx {
    child: Child,
    address: String,
    _dir: tempfile::TempDir,
}

impl Nginx {
    /// `None` where there is no nginx.
    fn start(upstream: &str) -> Result<Option<Self>, Failure> {
        let Some(program) = find() else {
            return Ok(None);
        };
        let dir = tempfile::tempdir()?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let at = dir.path().display();
        let config = format!(
            "daemon off; master_process off; pid {at}/pid; error_log {at}/error.log;
            events {{ worker_connections 256; }}
            http {{
                access_log off; keepalive_requests 100000000;
                client_body_temp_path {at}/body; proxy_temp_path {at}/proxy;
                fastcgi_temp_path {at}/fastcgi; uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi;
                upstream echo {{ server {upstream}; keepalive 16; keepalive_requests 100000000; }}
                server {{
                    listen {address};
                    location / {{
                        proxy_pass http://echo;
                        proxy_http_version 1.1;
                        proxy_set_header Connection \"\";
                    }}
                }}
            }}"
        );
        let path = dir.path().join("nginx.conf");
        fs::write(&path, config)?;
        let child = command(program)
            .arg("-p")
            .arg(dir.path())
            .arg("-c")
            .arg(&path)
            .arg("-e")
            .arg(dir.path().join("error.log"))
            .stdin(Stdio::null())
            .spawn()?;
        wait_for("nginx listens", Duration::from_secs(10), || {
            TcpStream::connect(&address).ok()
        });
        Ok(Some(Self {
            child,
            address,
            _dir: dir,
        }))
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}

fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    // A person's path often lacks what only root runs.
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .map(|it| it.join("nginx"))
        .find(|it| it.is_file())
}
