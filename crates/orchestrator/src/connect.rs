//! Opens the gateway's conversations: a process in a sandbox, or a connection to a server elsewhere.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};

use async_trait::async_trait;
use domain::{
    DesiredSandbox, FolderAccess, HeaderName, IsolationKey, MountSource, SandboxKey, SandboxMount,
    SandboxSpec, Secret, SecretId, ServerId, Source, wire::ProcessOpen,
};
use gateway::{ConnectError, Connection};
use mcp::transport::{HttpEndpoint, HttpLimits, LineEvent, LineSink, LineSource};
use reqwest::header::{HeaderMap, HeaderValue};
use sandbox::line::{ProcessEvent, ProcessReader, ProcessWriter};

use crate::{
    Reach, Row, Settings, Shared, built_in, error_chain,
    logs::{LogStream, ServerLog},
};

/// Where a package is inside the sandboxes that run it.
pub(crate) const INSTALL_DIR: &str = "/install";
/// Where the host's certificate authorities are inside.
pub(crate) const CA_BUNDLE: &str = "/archestra-ca.pem";
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// Lines of standard error that are told with the end of a process.
const LAST_LINES: usize = 5;

pub(crate) struct Connector {
    /// Not an owner: the gateway is part of what this points to.
    shared: Weak<Shared>,
}

impl Connector {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::downgrade(shared),
        }
    }
}

#[async_trait]
impl gateway::Connect for Connector {
    async fn connect(
        &self,
        server: ServerId,
        isolation: &IsolationKey,
    ) -> Result<Connection, ConnectError> {
        let shared = self.shared.upgrade();
        let shared = shared.ok_or_else(|| failed("the program is shutting down"))?;
        if server == ServerId::built_in() {
            return Ok(built_in::connect(&shared));
        }
        let row = shared.directory.row(server);
        let row = row.ok_or_else(|| failed("it was removed"))?;
        match &row.stored.spec.source {
            Source::Package(_) => open_process(&shared, &row, isolation).await,
            Source::Remote { url, headers } => open_remote(&shared, &row, url, headers).await,
        }
    }
}

fn failed(reason: impl Into<String>) -> ConnectError {
    ConnectError {
        reason: reason.into(),
    }
}

async fn open_remote(
    shared: &Shared,
    row: &Row,
    url: &str,
    names: &BTreeMap<HeaderName, SecretId>,
) -> Result<Connection, ConnectError> {
    let slug = &row.stored.slug;
    let url = reqwest::Url::parse(url).map_err(|err| failed(format!("`{url}`: {err}")))?;
    let endpoint = HttpEndpoint {
        client: shared.http_client(Reach::of(&url)),
        url,
        headers: headers(shared, row.stored.id, names).await?,
        unauthorized_hint: match names.keys().next() {
            None => format!(
                "it wants credentials: `archestra servers header set {slug} Authorization` sends them"
            ),
            Some(name) => format!(
                "it wants other credentials: set them with `archestra servers header set {slug} {name}`"
            ),
        },
    };
    let limits = HttpLimits {
        message_bytes_max: shared.settings.line_bytes_max as usize,
        head_timeout: shared.settings.install_step_timeout,
    };
    let (outbox, inbox) = mcp::transport::http(endpoint, limits);
    Ok(Connection {
        outbox,
        inbox,
        lease: Box::new(()),
    })
}

/// Opens the headers that go with each request. They are marked, so that nobody prints them.
async fn headers(
    shared: &Shared,
    server: ServerId,
    names: &BTreeMap<HeaderName, SecretId>,
) -> Result<HeaderMap, ConnectError> {
    let mut headers = HeaderMap::new();
    for (name, id) in names {
        let binding = header_binding(server, *id, name);
        let what = format!("header `{name}`");
        let value = unseal(shared, *id, &binding, &what).await?;
        let no_header = |_| failed(format!("its {what} cannot be sent; give it again"));
        let mut value = HeaderValue::from_str(value.expose()).map_err(no_header)?;
        value.set_sensitive(true);
        let name = name.as_str().parse::<reqwest::header::HeaderName>();
        let name = name.expect("its characters are those of a header's name");
        headers.insert(name, value);
    }
    Ok(headers)
}

async fn unseal(
    shared: &Shared,
    id: SecretId,
    binding: &str,
    what: &str,
) -> Result<Secret<String>, ConnectError> {
    let stored = shared.store.secret(id).await;
    let stored = stored.map_err(|err| failed(error_chain(&err)))?;
    let sealed = stored.map(|it| it.sealed);
    let sealed =
        sealed.ok_or_else(|| failed(format!("its {what} is not in the vault; give it again")))?;
    let value = shared.vault.unseal(binding, &sealed);
    value.map_err(|err| failed(format!("its {what}: {}", error_chain(&err))))
}

/// Wants the server's sandbox, waits for it and starts the server's process there.
async fn open_process(
    shared: &Arc<Shared>,
    row: &Row,
    isolation: &IsolationKey,
) -> Result<Connection, ConnectError> {
    let install = row
        .install
        .as_ref()
        .ok_or_else(|| failed("it is not installed"))?;
    let mut argv = install.argv.clone().unwrap_or_default();
    argv.extend(row.stored.spec.args.iter().cloned());
    let key = SandboxKey::Server {
        server: row.stored.id,
        isolation: isolation.clone(),
    };
    let lease = shared.wants.lease(key.clone(), None);
    shared
        .statuses
        .wait_until_settled(&key)
        .await
        .map_err(failed)?;
    let line = shared.sandbox.line(&key);
    let line = line.ok_or_else(|| failed("its sandbox has no line to the host"))?;
    let open = ProcessOpen {
        argv,
        env: environment(shared, row).await?,
        cwd: "/tmp".to_owned(),
        line_bytes_max: shared.settings.line_bytes_max,
        proxy: true,
        stop_grace_ms: millis(shared.settings.stop_grace),
    };
    let process = line.open_process(open).await;
    let process = process.map_err(|err| failed(error_chain(&err)))?;
    let log = shared.directory.logs.of(row.stored.id);
    log.note(
        shared.now(),
        format!("process {} started for {isolation}", process.pid()),
    );
    let (reader, writer) = process.split();
    let source = ProcessSource {
        reader,
        log,
        clock: shared.clock.clone(),
        line_bytes_max: u64::from(shared.settings.line_bytes_max),
        last_lines: Vec::new(),
    };
    let (outbox, inbox) = mcp::transport::lines(Box::new(source), Box::new(ProcessSink { writer }));
    Ok(Connection {
        outbox,
        inbox,
        lease: Box::new(lease),
    })
}

/// Makes the process's environment: ours, the person's in clear, and the secrets that the person
/// has given to this server.
async fn environment(shared: &Shared, row: &Row) -> Result<Vec<(String, String)>, ConnectError> {
    let spec = &row.stored.spec;
    let mut env = base_environment(&shared.settings);
    env.extend(
        spec.env
            .iter()
            .map(|(name, value)| (name.to_string(), value.clone())),
    );
    for (name, id) in &spec.secrets {
        let binding = secret_binding(row.stored.id, *id, name.as_str());
        let value = unseal(shared, *id, &binding, &format!("secret `{name}`")).await?;
        env.push((name.to_string(), value.into_exposed()));
    }
    Ok(env)
}

/// What a sealed value is bound to: moved to another row, it cannot be opened.
pub(crate) fn secret_binding(server: ServerId, id: SecretId, name: &str) -> String {
    format!("server:{server}:secret:{id}:env:{name}")
}

/// As [`secret_binding`], for the value of a header.
pub(crate) fn header_binding(server: ServerId, id: SecretId, name: &HeaderName) -> String {
    format!("server:{server}:secret:{id}:header:{name}")
}

/// Returns what every process in a sandbox gets.
pub(crate) fn base_environment(settings: &Settings) -> Vec<(String, String)> {
    let mut env = vec![
        ("PATH", PATH),
        ("HOME", "/tmp"),
        ("LANG", "C.UTF-8"),
        ("TMPDIR", "/tmp"),
    ];
    if settings.ca_bundle.is_some() {
        for name in [
            "SSL_CERT_FILE",
            "NODE_EXTRA_CA_CERTS",
            "REQUESTS_CA_BUNDLE",
            "CURL_CA_BUNDLE",
            "GIT_SSL_CAINFO",
            "PIP_CERT",
        ] {
            env.push((name, CA_BUNDLE));
        }
    }
    env.into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Says how the sandbox of a server is made; `None` for one that has none.
pub(crate) fn desired_sandbox(settings: &Settings, row: &Row) -> Option<DesiredSandbox> {
    let install = row.install.as_ref()?;
    let spec = &row.stored.spec;
    let mut mounts = vec![SandboxMount {
        source: MountSource::Volume(install.volume.clone()),
        inside: INSTALL_DIR.to_owned(),
        access: FolderAccess::ReadOnly,
    }];
    mounts.extend(ca_mount(settings));
    mounts.extend(spec.folders.iter().map(|it| SandboxMount {
        source: MountSource::Host(it.host.clone()),
        inside: it.inside.clone(),
        access: it.access,
    }));
    Some(DesiredSandbox {
        generation: row.stored.generation,
        spec: SandboxSpec {
            image: settings.image.clone(),
            bridge_hash: settings.bridge_hash.clone(),
            mounts,
            limits: spec.limits,
        },
    })
}

pub(crate) fn ca_mount(settings: &Settings) -> Option<SandboxMount> {
    let bundle = settings.ca_bundle.clone()?;
    Some(SandboxMount {
        source: MountSource::Host(bundle),
        inside: CA_BUNDLE.to_owned(),
        access: FolderAccess::ReadOnly,
    })
}

pub(crate) fn millis(duration: std::time::Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

struct ProcessSource {
    reader: ProcessReader,
    log: Arc<ServerLog>,
    clock: Arc<dyn domain::Clock>,
    line_bytes_max: u64,
    last_lines: Vec<String>,
}

struct ProcessSink {
    writer: ProcessWriter,
}

#[async_trait]
impl LineSource for ProcessSource {
    async fn next(&mut self) -> LineEvent {
        loop {
            match self.reader.next().await {
                Ok(Some(ProcessEvent::Stdout(line))) => {
                    let text = line.trim_ascii_start();
                    if text.starts_with(b"{") || text.starts_with(b"[") {
                        return LineEvent::Line(line);
                    }
                    // Servers print to standard output what belongs on standard error.
                    self.note(LogStream::Stdout, &line);
                }
                Ok(Some(ProcessEvent::Stderr(line))) => {
                    self.note(LogStream::Stderr, &line);
                }
                Ok(Some(ProcessEvent::LineTooLong { bytes })) => {
                    let limit = self.line_bytes_max;
                    return LineEvent::TooLong { bytes, limit };
                }
                Ok(Some(ProcessEvent::Exited(exit))) => {
                    let how = match (exit.code, exit.signal) {
                        (Some(code), _) => format!("its process exited with code {code}"),
                        (None, Some(signal)) => format!("its process was ended by signal {signal}"),
                        (None, None) => "its process ended".to_owned(),
                    };
                    return self.ended(how);
                }
                Ok(None) => return self.ended("its process ended".to_owned()),
                Err(err) => return self.ended(error_chain(&err)),
            }
        }
    }
}

impl ProcessSource {
    fn note(&mut self, stream: LogStream, line: &[u8]) {
        let text = String::from_utf8_lossy(line).into_owned();
        if !text.trim().is_empty() {
            if self.last_lines.len() == LAST_LINES {
                self.last_lines.remove(0);
            }
            self.last_lines.push(text.chars().take(300).collect());
        }
        self.log.push(self.clock.now(), stream, text);
    }

    fn ended(&self, how: String) -> LineEvent {
        self.log.note(self.clock.now(), how.clone());
        let reason = if self.last_lines.is_empty() {
            how
        } else {
            format!("{how}; its last lines: `{}`", self.last_lines.join(" | "))
        };
        LineEvent::Ended { reason }
    }
}

#[async_trait]
impl LineSink for ProcessSink {
    async fn line(&mut self, line: &[u8]) -> std::io::Result<()> {
        let written = self.writer.line(line).await;
        written.map_err(std::io::Error::other)
    }

    async fn close(&mut self) {
        // Where this cannot be said, the line is gone, and the bridge stops the process by itself.
        let _told = self.writer.stop().await;
    }
}
