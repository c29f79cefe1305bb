//! `archestra serve`: the program itself. It puts the parts together, and it is the only place
//! that does.
//!
//! The order is the same each time: the data directory and its lock, sockets, the store, the parts,
//! what lets the command line in, requests, signals, drain. Podman is not touched before the first
//! request is answered.

mod address;
mod bridge;
mod browser;
mod http_client;
mod parts;
mod port;
mod second;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use domain::{Clock, InstanceId, Timestamp};
use orchestrator::Orchestrator;
use store::{AuditQueue, AuditSettings, DataDir, Store, StoreError};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    access_file::AccessFile,
    config::{Config, Inputs},
    output,
};

pub(crate) use crate::serve::{
    browser::open as open_browser,
    parts::{found_model_servers, image as image_of, image_recipe, without_server},
};

/// The name of the token by which the command line gets in.
const OWNER_TOKEN: &str = "command line";
/// How long what is not written yet of the audit may take at the end.
const AUDIT_END_TIMEOUT: Duration = Duration::from_secs(10);
/// More threads than this wait for each other and take memory.
const THREADS_MAX: usize = 8;

/// Runs until a signal.
pub(crate) fn run(config: Config, inputs: &Inputs, as_json: bool) -> anyhow::Result<()> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads.min(THREADS_MAX))
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    let result = runtime.block_on(serve(config, inputs, as_json));
    // What could not be ended in its time is left behind.
    runtime.shutdown_background();
    result
}

async fn serve(config: Config, inputs: &Inputs, as_json: bool) -> anyhow::Result<()> {
    // Made first, so that a signal finds somebody.
    let mut signals = Signals::new()?;
    let candidate = InstanceId::from_uuid(uuid::Uuid::new_v4());
    let data = match DataDir::open(&config.data_dir, candidate) {
        Ok(data) => data,
        Err(StoreError::DataDirInUse { path, .. }) => {
            return second::point_to_first(&path, &config, inputs, as_json).await;
        }
        Err(err) => return Err(err.into()),
    };
    raise_descriptors();
    let listeners = listen(&config.listen).await?;
    let bound: Vec<SocketAddr> = listeners
        .iter()
        .map(TcpListener::local_addr)
        .collect::<Result<_, _>>()?;
    let addresses: Vec<String> = bound
        .iter()
        .map(|it| address::for_people(*it).to_string())
        .collect();

    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = Store::open(&config.database(), clock.clone()).await?;
    let tasks = TaskTracker::new();
    let shutdown = CancellationToken::new();
    let auditing = TaskTracker::new();
    let audit_end = CancellationToken::new();
    let (audit, writer) = AuditQueue::new(store.clone(), AuditSettings::default());
    auditing.spawn(writer.run(audit_end.clone()));

    let made = parts::Made {
        data: &data,
        store: store.clone(),
        audit,
        clock,
        tasks: tasks.clone(),
        shutdown: shutdown.clone(),
    };
    let parts = parts::parts(&config, inputs, made).await?;
    let orchestrator = Orchestrator::start(parts).await?;

    let token = orchestrator.create_owner_token(OWNER_TOKEN).await?;
    let access = AccessFile {
        address: addresses[0].clone(),
        addresses: addresses.clone(),
        token: token.text.into_exposed(),
        pid: std::process::id(),
    };
    let urls: Vec<String> = addresses.iter().map(|it| format!("http://{it}")).collect();
    orchestrator.set_address(&urls[0]);
    let settings = parts::server_settings(&config, urls.clone())?;
    let router = server::router(orchestrator.clone(), settings, shutdown.clone());
    for listener in listeners {
        let serving = server::serve(listener, router.clone(), shutdown.clone());
        // A listener that ends by itself takes the program with it.
        let ended = shutdown.clone().drop_guard();
        tasks.spawn(async move {
            let _ended = ended;
            if let Err(err) = serving.await {
                tracing::error!(
                    error = &err as &dyn std::error::Error,
                    "The HTTP server failed"
                );
            }
        });
    }
    // From here on others find us.
    access.write(data.path())?;
    data.announce(&urls[0])?;
    tracing::info!(addresses = ?addresses, data = %data.path().display(), "Listening");
    welcome(&orchestrator, &config, inputs, &urls, as_json).await?;

    signals.recv_or(&shutdown).await;
    tracing::info!("Shutting down");
    access.remove(data.path());
    shutdown.cancel();
    tasks.close();
    let drained = tokio::select! {
        drained = timeout(config.shutdown_grace, tasks.wait()) => {
            drained.context("work under way did not end in the time allowed (`shutdown_grace`)")
        }
        () = signals.recv() => Err(anyhow::anyhow!("interrupted a second time")),
    };
    // Whatever happens, what was done is written down.
    audit_end.cancel();
    auditing.close();
    let written = timeout(AUDIT_END_TIMEOUT, auditing.wait()).await;
    drop(orchestrator);
    timeout(AUDIT_END_TIMEOUT, store.close())
        .await
        .context("the database did not close")?;
    drained.and(written.context("the audit could not be written to its end"))
}

/// Tells the person where the program is, and opens a browser where there is one.
async fn welcome(
    orchestrator: &Orchestrator,
    config: &Config,
    inputs: &Inputs,
    urls: &[String],
    as_json: bool,
) -> anyhow::Result<()> {
    let token = orchestrator.create_login_link().await?;
    let link = format!("{}/#login={}", urls[0], token.expose());
    if as_json {
        output::json(&serde_json::json!({ "addresses": urls, "login_url": link }));
        return Ok(());
    }
    output::line(format!("Archestra answers at {}", urls.join(" and ")));
    if !bridge::is_carried() {
        output::note(
            "warning: this build carries no bridge, so no server can run in a sandbox; build with `make run`",
        );
    }
    if parts::WEB.is_empty() {
        output::note(
            "warning: this build carries no UI, so the page says no more than that; build with `make run`",
        );
    }
    output::line(format!(
        "Open {link}\n(good once, within a minute; `archestra open` makes another)"
    ));
    if config.open_browser {
        browser::open_from_terminal(inputs, &link);
    }
    Ok(())
}

async fn listen(addresses: &[SocketAddr]) -> anyhow::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for address in addresses {
        match TcpListener::bind(address).await {
            Ok(listener) => listeners.push(listener),
            Err(err) if err.kind() == std::io::ErrorKind::AddrInUse => {
                let holder = match port::holder(*address) {
                    Some(holder) => format!("by {holder}"),
                    None => "by another program".to_owned(),
                };
                anyhow::bail!(
                    "port {} is taken {holder}; end that, or choose another with `--listen {}:{}`",
                    address.port(),
                    address.ip(),
                    address.port().saturating_add(1)
                );
            }
            Err(err) => {
                return Err(err).with_context(|| format!("cannot listen on `{address}`"));
            }
        }
    }
    Ok(listeners)
}

/// Lets the program have as many connections as the system allows.
fn raise_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limits = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limits.maximum,
        maximum: limits.maximum,
    };
    if let Err(err) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(
            error = &err as &dyn std::error::Error,
            "The limit of descriptors stays as it is"
        );
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let on = |kind| signal(kind).context("cannot wait for signals");
        Ok(Self {
            interrupt: on(SignalKind::interrupt())?,
            terminate: on(SignalKind::terminate())?,
        })
    }

    /// Cancel safe.
    async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    async fn recv_or(&mut self, shutdown: &CancellationToken) {
        tokio::select! {
            () = self.recv() => {}
            () = shutdown.cancelled() => {}
        }
    }
}

#[derive(Debug)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one real clock")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp {
            unix_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
        }
    }
}
