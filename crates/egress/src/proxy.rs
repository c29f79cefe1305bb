use std::{fmt, io, net::IpAddr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::{HostPort, Secret};
use ipnet::IpNet;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use url::Url;

/// The longest answer of a proxy before the bytes of the connection.
const ANSWER_BYTES_MAX: usize = 16 << 10;

/// The proxies by which the host itself gets out.
#[derive(Debug, Clone, Default)]
pub struct ProxySettings {
    /// For port 80.
    http: Option<Proxy>,
    /// For all others.
    https: Option<Proxy>,
    direct: Vec<Direct>,
}

/// An HTTP proxy that is asked with CONNECT.
#[derive(Debug, Clone)]
pub struct Proxy {
    address: HostPort,
    /// The value of `Proxy-Authorization`.
    authorization: Option<Secret<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{variable}` must be `http://[user:password@]host:port`; other proxies are not supported")]
pub struct ProxyError {
    /// The value is not shown, since it may have a password in it.
    variable: &'static str,
}

/// What `NO_PROXY` names.
#[derive(Debug, Clone)]
enum Direct {
    All,
    Net(IpNet),
    /// A name and all below it, with a port or for all.
    Name {
        name: String,
        port: Option<u16>,
    },
}

/// Why a proxy gave no connection.
#[derive(Debug)]
pub(crate) enum ConnectError {
    Io(io::Error),
    Status(u16),
}

impl ProxySettings {
    /// Reads `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`; those in lower case come first.
    pub fn from_vars(get: impl Fn(&str) -> Option<String>) -> Result<Self, ProxyError> {
        let value = |name: &str| {
            let set = |name: &str| get(name).filter(|it| !it.trim().is_empty());
            set(&name.to_ascii_lowercase()).or_else(|| set(name))
        };
        let proxy = |variable: &'static str| {
            let text = value(variable);
            text.map(|it| Proxy::parse(variable, it.trim())).transpose()
        };
        let all = proxy("ALL_PROXY")?;
        let direct = value("NO_PROXY").unwrap_or_default();
        Ok(Self {
            http: proxy("HTTP_PROXY")?.or_else(|| all.clone()),
            https: proxy("HTTPS_PROXY")?.or(all),
            direct: direct.split([',', ' ']).filter_map(Direct::parse).collect(),
        })
    }

    /// Returns the proxy for a target, `None` where it is dialled directly.
    pub fn proxy_for(&self, target: &HostPort) -> Option<&Proxy> {
        if self.direct.iter().any(|it| it.covers(target)) {
            return None;
        }
        match target.port() {
            80 => self.http.as_ref(),
            _ => self.https.as_ref(),
        }
    }
}

impl Proxy {
    fn parse(variable: &'static str, text: &str) -> Result<Self, ProxyError> {
        let wrong = || ProxyError { variable };
        let with_scheme = match text.contains("://") {
            true => text.to_owned(),
            false => format!("http://{text}"),
        };
        let url = Url::parse(&with_scheme).map_err(|_| wrong())?;
        if url.scheme() != "http" {
            return Err(wrong());
        }
        let host = url.host_str().ok_or_else(wrong)?;
        let port = url.port_or_known_default().ok_or_else(wrong)?;
        let address = HostPort::new(host, port).map_err(|_| wrong())?;
        let authorization = match (url.username(), url.password()) {
            ("", None) => None,
            (user, password) => {
                let mut bytes = percent_decoded(user);
                bytes.push(b':');
                bytes.extend(percent_decoded(password.unwrap_or_default()));
                Some(Secret::new(format!("Basic {}", STANDARD.encode(bytes))))
            }
        };
        Ok(Self {
            address,
            authorization,
        })
    }

    pub const fn address(&self) -> &HostPort {
        &self.address
    }

    /// Asks for a connection. Returns what the other end has already sent through it.
    ///
    /// Not cancel safe: the stream is of no use after that.
    pub(crate) async fn ask(
        &self,
        stream: &mut TcpStream,
        target: &HostPort,
    ) -> Result<Vec<u8>, ConnectError> {
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if let Some(value) = &self.authorization {
            request.push_str("Proxy-Authorization: ");
            request.push_str(value.expose());
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        stream
            .write_all(request.as_bytes())
            .await
            .map_err(ConnectError::Io)?;
        let mut answer = Vec::with_capacity(512);
        let end = loop {
            if let Some(at) = answer.windows(4).position(|it| it == b"\r\n\r\n") {
                break at + 4;
            }
            let wrong = match answer.len() {
                ANSWER_BYTES_MAX.. => Some("the proxy's answer is too long"),
                _ => {
                    let read = stream
                        .read_buf(&mut answer)
                        .await
                        .map_err(ConnectError::Io)?;
                    (read == 0).then_some("the proxy has hung up")
                }
            };
            if let Some(wrong) = wrong {
                return Err(ConnectError::Io(io::Error::other(wrong)));
            }
        };
        match status(&answer[..end]) {
            Some(200..=299) => Ok(answer.split_off(end)),
            Some(status) => Err(ConnectError::Status(status)),
            None => Err(ConnectError::Io(io::Error::other(
                "the proxy does not speak HTTP",
            ))),
        }
    }
}

/// Reads the status line: `HTTP/1.1 200 Connection established`.
fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|it| *it == b'\r').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let rest = line.strip_prefix("HTTP/1.")?.get(1..)?.strip_prefix(' ')?;
    let code = rest.get(..3)?;
    let plain = code.bytes().all(|it| it.is_ascii_digit());
    plain.then(|| code.parse().ok()).flatten()
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match escape.and_then(|it| u8::from_str_radix(it, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    decoded
}

impl Direct {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        if text.is_empty() {
            return None;
        }
        if text == "*" {
            return Some(Self::All);
        }
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        if let Ok(net) = text.parse() {
            return Some(Self::Net(net));
        }
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Some(Self::Net(address.into()));
        }
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => (name, Some(port.parse().ok()?)),
            None => (text.as_str(), None),
        };
        let name = name.trim_start_matches('*').trim_start_matches('.');
        let name = name.trim_end_matches('.').to_owned();
        (!name.is_empty()).then_some(Self::Name { name, port })
    }

    fn covers(&self, target: &HostPort) -> bool {
        let host = target.host();
        match self {
            Self::All => true,
            Self::Net(net) => host.parse::<IpAddr>().is_ok_and(|it| net.contains(&it)),
            Self::Name { name, port } => {
                let below = || {
                    let rest = host.strip_suffix(name.as_str());
                    rest.is_some_and(|it| it.ends_with('.'))
                };
                (host == name || below()) && port.is_none_or(|it| it == target.port())
            }
        }
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.address)
    }
}

#[cfg(test)]
mod tests;
