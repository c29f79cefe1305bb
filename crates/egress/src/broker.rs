use std::{
    collections::HashMap,
    error::Error,
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use domain::{HostPort, InstallId, ServerId};
use ipnet::IpNet;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};

use crate::{
    EgressStream, Proxy, ProxySettings, Refusal,
    address::{check_address, is_odd_address},
    proxy::ConnectError,
    stream::Opened,
};

/// The longest part of a target that is told when it is no target, in bytes.
const TOLD_TARGET_BYTES_MAX: usize = 256;
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;

/// Makes the connections that sandboxes ask for. Cloning it is cheap.
#[derive(Clone)]
pub struct Broker {
    inner: Arc<Inner>,
}

struct Inner {
    settings: EgressSettings,
    proxies: ProxySettings,
    allow_list: Arc<dyn AllowList>,
    resolver: Arc<dyn Resolver>,
    audit: Arc<dyn EgressAudit>,
    open: Arc<Mutex<HashMap<Subject, usize>>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgressSettings {
    pub resolve_timeout: Duration,
    /// For all addresses of a name together, and a proxy's answer.
    pub connect_timeout: Duration,
    pub idle_timeout: Duration,
    pub connections_per_server_max: usize,
    /// Ranges that may be dialled though they are not public.
    pub allow_ranges: Vec<IpNet>,
}

/// Who asks for a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    pub subject: Subject,
    /// What people call it: a server's slug or a package's name.
    pub label: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    Server(ServerId),
    Install(InstallId),
}

/// Knows what a person has allowed.
pub trait AllowList: Send + Sync {
    fn allowed(&self, who: &Who, target: &HostPort) -> bool;
}

/// Finds the addresses of a name.
#[async_trait]
pub trait Resolver: Send + Sync {
    /// Cancel safe: it changes nothing.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// Asks the operating system.
#[derive(Debug, Clone, Copy)]
pub struct SystemResolver;

/// Is told what happened. It must not block.
pub trait EgressAudit: Send + Sync {
    fn record(&self, event: EgressEvent);
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgressEvent {
    pub who: Who,
    /// `host:port`, as far as it is one.
    pub target: String,
    pub happened: Happened,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// It is forbidden.
    Refused { reason: String },
    /// It is allowed and could not be made.
    Failed { reason: String },
    Connected {
        /// What was dialled: the target's address, or the proxy's.
        address: SocketAddr,
        by_proxy: bool,
    },
    Closed {
        sent_bytes: u64,
        received_bytes: u64,
        duration: Duration,
        timed_out: bool,
    },
}

impl Default for EgressSettings {
    fn default() -> Self {
        Self {
            resolve_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_mins(5),
            connections_per_server_max: 64,
            allow_ranges: Vec::new(),
        }
    }
}

impl Broker {
    pub fn new(
        settings: EgressSettings,
        proxies: ProxySettings,
        allow_list: Arc<dyn AllowList>,
        resolver: Arc<dyn Resolver>,
        audit: Arc<dyn EgressAudit>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                settings,
                proxies,
                allow_list,
                resolver,
                audit,
                open: Arc::default(),
            }),
        }
    }

    /// Connects `who` to a host, which is as a hostile process has written it.
    ///
    /// Takes no longer than `resolve_timeout` and `connect_timeout` together. What comes of it is
    /// told to the audit.
    ///
    /// Cancel safe: a connection that is under way is dropped, and nothing of it is told.
    pub async fn connect(&self, who: &Who, host: &str, port: u16) -> Result<EgressStream, Refusal> {
        let outcome = self.try_connect(who, host, port).await;
        if let Err(refusal) = &outcome {
            let reason = with_causes(refusal);
            let happened = match refusal.is_forbidden() {
                true => Happened::Refused { reason },
                false => Happened::Failed { reason },
            };
            let told = &host[..host.floor_char_boundary(TOLD_TARGET_BYTES_MAX)];
            self.inner.audit.record(EgressEvent {
                who: who.clone(),
                target: HostPort::new(host, port).map_or_else(
                    |_| format!("{}:{port}", told.escape_debug()),
                    |it| it.to_string(),
                ),
                happened,
            });
        }
        outcome
    }

    async fn try_connect(&self, who: &Who, host: &str, port: u16) -> Result<EgressStream, Refusal> {
        let inner = &*self.inner;
        let target = target(host, port)?;
        if !inner.allow_list.allowed(who, &target) {
            return Err(Refusal::NotAllowed { target });
        }
        let slot = self.slot(who.subject)?;
        let literal = target.host().parse::<IpAddr>().ok();
        if let Some(address) = literal {
            inner.check(&target, address)?;
        }
        let proxy = inner.proxies.proxy_for(&target);
        let (stream, early) = match proxy {
            Some(proxy) => inner.dial_by_proxy(proxy, &target).await?,
            None => {
                let addresses = inner.checked_addresses(&target, literal).await?;
                let deadline = Instant::now() + inner.settings.connect_timeout;
                let stream = dial(&target, &addresses, deadline).await?;
                (stream, Vec::new())
            }
        };
        let failed = |source| Refusal::Connect {
            target: target.clone(),
            source,
        };
        stream.set_nodelay(true).map_err(failed)?;
        let address = stream.peer_addr().map_err(failed)?;
        inner.audit.record(EgressEvent {
            who: who.clone(),
            target: target.to_string(),
            happened: Happened::Connected {
                address,
                by_proxy: proxy.is_some(),
            },
        });
        Ok(EgressStream::new(Opened {
            stream,
            early,
            idle_timeout: inner.settings.idle_timeout,
            audit: Arc::clone(&inner.audit),
            who: who.clone(),
            target,
            slot,
        }))
    }

    /// Takes one of the connections that a server may have, also while it is being made.
    fn slot(&self, subject: Subject) -> Result<Slot, Refusal> {
        let max = self.inner.settings.connections_per_server_max;
        let mut open = self
            .inner
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(subject).or_default();
        if max <= *count {
            return Err(Refusal::TooMany { max });
        }
        *count += 1;
        Ok(Slot {
            subject,
            open: Arc::clone(&self.inner.open),
        })
    }
}

impl Inner {
    fn check(&self, target: &HostPort, address: IpAddr) -> Result<IpAddr, Refusal> {
        check_address(address, &self.settings.allow_ranges).map_err(|class| Refusal::Address {
            target: target.clone(),
            address,
            class,
        })
    }

    /// Returns the addresses that may be dialled; an error when there is none.
    async fn checked_addresses(
        &self,
        target: &HostPort,
        literal: Option<IpAddr>,
    ) -> Result<Vec<IpAddr>, Refusal> {
        let found = match literal {
            Some(address) => vec![address],
            None => {
                let deadline = Instant::now() + self.settings.resolve_timeout;
                self.resolve(target, deadline).await?
            }
        };
        let mut addresses = Vec::new();
        let mut refusal = None;
        for address in found {
            match self.check(target, address) {
                Ok(address) => addresses.push(address),
                Err(err) => refusal = refusal.or(Some(err)),
            }
        }
        addresses.truncate(ADDRESSES_MAX);
        match refusal {
            Some(refusal) if addresses.is_empty() => Err(refusal),
            _ => Ok(addresses),
        }
    }

    async fn resolve(&self, target: &HostPort, deadline: Instant) -> Result<Vec<IpAddr>, Refusal> {
        let failed = |source| Refusal::Resolve {
            target: target.clone(),
            source,
        };
        let resolving = self.resolver.resolve(target.host());
        let Ok(found) = timeout_at(deadline, resolving).await else {
            let target = target.clone();
            return Err(Refusal::Timeout { target });
        };
        match found {
            Ok(found) if found.is_empty() => Err(failed(io::Error::other("no address"))),
            Ok(found) => Ok(found),
            Err(source) => Err(failed(source)),
        }
    }

    /// The proxy's own address comes from the operator and may be anywhere.
    async fn dial_by_proxy(
        &self,
        proxy: &Proxy,
        target: &HostPort,
    ) -> Result<(TcpStream, Vec<u8>), Refusal> {
        let deadline = Instant::now() + self.settings.connect_timeout;
        let address = proxy.address();
        let addresses = match address.host().parse() {
            Ok(literal) => vec![literal],
            Err(_) => {
                let resolve_deadline = Instant::now() + self.settings.resolve_timeout;
                self.resolve(address, resolve_deadline).await?
            }
        };
        let mut stream = dial(address, &addresses, deadline).await?;
        let target = || target.clone();
        match timeout_at(deadline, proxy.ask(&mut stream, &target())).await {
            Ok(Ok(early)) => Ok((stream, early)),
            Ok(Err(ConnectError::Status(status))) => Err(Refusal::Proxy {
                target: target(),
                status,
            }),
            Ok(Err(ConnectError::Io(source))) => Err(Refusal::Connect {
                target: target(),
                source,
            }),
            Err(_) => Err(Refusal::Timeout { target: target() }),
        }
    }
}

/// Reads what a process has written. Two spellings of one address become one.
fn target(host: &str, port: u16) -> Result<HostPort, Refusal> {
    let target = HostPort::new(host, port).map_err(Refusal::Target)?;
    if is_odd_address(target.host()) {
        return Err(Refusal::OddAddress {
            host: target.host().to_owned(),
        });
    }
    match target.host().parse::<IpAddr>() {
        Ok(address) => HostPort::new(&address.to_string(), port).map_err(Refusal::Target),
        Err(_) => Ok(target),
    }
}

/// Dials one address after the other, each with its share of the time that is left.
async fn dial(
    target: &HostPort,
    addresses: &[IpAddr],
    deadline: Instant,
) -> Result<TcpStream, Refusal> {
    let mut last = Refusal::Timeout {
        target: target.clone(),
    };
    for (at, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
        let connecting = TcpStream::connect(SocketAddr::new(*address, target.port()));
        match timeout_at(Instant::now() + share, connecting).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(source)) => {
                last = Refusal::Connect {
                    target: target.clone(),
                    source,
                }
            }
            Err(_) => {
                last = Refusal::Timeout {
                    target: target.clone(),
                }
            }
        }
    }
    Err(last)
}

fn with_causes(refusal: &Refusal) -> String {
    let mut text = refusal.to_string();
    let mut cause = refusal.source();
    while let Some(err) = cause {
        text.push_str(": ");
        text.push_str(&err.to_string());
        cause = err.source();
    }
    text
}

/// One of the connections that a server may have; it is given back when dropped.
pub(crate) struct Slot {
    subject: Subject,
    open: Arc<Mutex<HashMap<Subject, usize>>>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.subject) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.subject);
            }
        }
    }
}

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((host, 0)).await?;
        let mut addresses: Vec<IpAddr> = Vec::new();
        for address in found.map(|it| it.ip()) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        Ok(addresses)
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker")
            .field("settings", &self.inner.settings)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
