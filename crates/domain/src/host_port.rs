use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

const HOST_LEN_MAX: usize = 253;

/// A host and a port that a server may be allowed to reach.
///
/// The host is a DNS name or an IP address, in lower case and without a trailing dot, so that two
/// spellings of one host are one value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPort {
    // Invariant: 1..=HOST_LEN_MAX characters, lower case; letters, digits, `-`, `.`, `_`, or an
    // IPv6 address without brackets.
    host: String,
    // Invariant: not 0.
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostPortError {
    #[error("`{text}` is not `host:port`, for instance `api.example.com:443`")]
    Form { text: String },
    #[error("`{host}` is not a host name or an IP address")]
    Host { host: String },
    #[error("port `{port}` must be a number from 1 to 65535")]
    Port { port: String },
}

impl HostPort {
    pub fn new(host: &str, port: u16) -> Result<Self, HostPortError> {
        let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let host = bare.unwrap_or(host);
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let is_ipv6 = host.parse::<std::net::Ipv6Addr>().is_ok();
        let is_name = !host.is_empty()
            && host.len() <= HOST_LEN_MAX
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
            && host.split('.').all(|it| !it.is_empty() && it.len() <= 63);
        if !is_ipv6 && !is_name {
            return Err(HostPortError::Host { host });
        }
        if port == 0 {
            return Err(HostPortError::Port {
                port: "0".to_owned(),
            });
        }
        Ok(Self { host, port })
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for HostPort {
    type Err = HostPortError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || HostPortError::Form {
            text: text.to_owned(),
        };
        let (host, port) = text.rsplit_once(':').ok_or_else(form)?;
        if host.contains(':') && !host.starts_with('[') {
            return Err(form());
        }
        let number = port.parse().map_err(|_| HostPortError::Port {
            port: port.to_owned(),
        })?;
        Self::new(host, number)
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl TryFrom<String> for HostPort {
    type Error = HostPortError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<HostPort> for String {
    fn from(it: HostPort) -> Self {
        it.to_string()
    }
}

#[cfg(test)]
mod tests;
