//! Whether a request was meant for us (`Host`), and whether a page of ours sent it (`Origin`).
//!
//! A page on the web can make a browser send requests here: to a name that it owns and lets resolve
//! to 127.0.0.1 (so `Host` is compared with the names that we have), or straight to our address (so
//! what a browser says about the page that sends is compared with `Host`). Ports do not separate
//! sites, so another program's page on loopback is a stranger as well.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// A host and, where it is written out, a port. In lower case; an IPv6 address has brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    // Invariant: a name out of `a-z`, `0-9`, `.`, `-`, `_`, or an IPv6 address in its one form,
    // with brackets.
    host: String,
    port: Option<u16>,
}

/// A name of this machine beside the loopback ones, with a port or for any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedHost {
    authority: Authority,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a host, for instance `host.docker.internal` or `example.com:3000`")]
pub struct AllowedHostError {
    text: String,
}

/// Why a request is not answered. The text is safe to send back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the request has no `Host`")]
    HostMissing,
    #[error("the request has more than one `Host`")]
    HostTwice,
    #[error("the request's `Host` is not a host and a port")]
    HostForm,
    #[error("`{host}` is not a name of this server; add it to `allowed_hosts` if it is")]
    HostForeign { host: Authority },
    #[error("the request has no `Origin`, which a change needs")]
    OriginMissing,
    #[error("the request has more than one `Origin` or `Sec-Fetch-Site`")]
    OriginTwice,
    #[error("the request's `Origin` is not this server's")]
    OriginForeign,
    #[error("the request comes from another site's page")]
    CrossSite,
}

/// Checks the `Host` of a request, of which `values` are all there are, and returns it.
///
/// It is a loopback name with this listener's `port` or with none, or one of `allowed`. Of an
/// absolute request target (`GET http://host/`), the caller passes its host as one more value.
pub fn check_host(
    values: &[&str],
    port: u16,
    allowed: &[AllowedHost],
) -> Result<Authority, Refusal> {
    let host: Authority = match values {
        [] => return Err(Refusal::HostMissing),
        [one] => one.parse().map_err(|()| Refusal::HostForm)?,
        _ => return Err(Refusal::HostTwice),
    };
    let by_us = host.is_loopback() && host.port.is_none_or(|it| it == port);
    let by_setting = |it: &AllowedHost| {
        let it = &it.authority;
        it.host == host.host && (it.port.is_none() || it.port == host.port)
    };
    if by_us || allowed.iter().any(by_setting) {
        return Ok(host);
    }
    Err(Refusal::HostForeign { host })
}

/// Checks where a request comes from. `origins` and `fetch_sites` are all values of `Origin` and
/// `Sec-Fetch-Site`, `host` is what [`check_host`] has returned.
///
/// What changes something, or opens a WebSocket, needs this server's own origin. What only reads may
/// have none, which is what programs that are no browsers send; a strange one is refused anyway. A
/// caller with a token may treat its requests as reading: no browser adds a token by itself.
pub fn check_origin(
    origins: &[&str],
    host: &Authority,
    state_changing: bool,
    fetch_sites: &[&str],
) -> Result<(), Refusal> {
    if 1 < origins.len() || 1 < fetch_sites.len() {
        return Err(Refusal::OriginTwice);
    }
    match origins.first() {
        Some(origin) if !is_same_origin(origin, host) => return Err(Refusal::OriginForeign),
        None if state_changing => return Err(Refusal::OriginMissing),
        _ => {}
    }
    let is_ours = fetch_sites.iter().all(|it| *it == "same-origin");
    if state_changing && !is_ours {
        return Err(Refusal::CrossSite);
    }
    Ok(())
}

/// Compares with `http` for loopback, and with `https` too for other names, which a proxy may
/// serve.
fn is_same_origin(origin: &str, host: &Authority) -> bool {
    let (rest, default_port) = if let Some(rest) = origin.strip_prefix("http://") {
        (rest, 80)
    } else if let Some(rest) = origin.strip_prefix("https://") {
        if host.is_loopback() {
            return false;
        }
        (rest, 443)
    } else {
        return false;
    };
    let Ok(origin) = rest.parse::<Authority>() else {
        return false;
    };
    let port = |it: &Authority| it.port.unwrap_or(default_port);
    origin.host == host.host && port(&origin) == port(host)
}

impl Authority {
    pub fn host(&self) -> &str {
        &self.host
    }

    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    fn is_loopback(&self) -> bool {
        matches!(self.host.as_str(), "localhost" | "127.0.0.1" | "[::1]")
    }
}

/// Strict: no user, no path, no blank, no trailing dot, no port that is empty or begins with 0.
impl FromStr for Authority {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (address, rest) = rest.split_once(']').ok_or(())?;
            let address: Ipv6Addr = address.parse().map_err(|_| ())?;
            let port = match rest {
                "" => None,
                _ => Some(rest.strip_prefix(':').ok_or(())?),
            };
            (format!("[{address}]"), port)
        } else {
            let (host, port) = match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            };
            if !is_name(host) {
                return Err(());
            }
            (host.to_ascii_lowercase(), port)
        };
        let port = match port {
            None => None,
            Some(digits) => {
                let plain = digits.bytes().all(|it| it.is_ascii_digit());
                if !plain || digits.starts_with('0') {
                    return Err(());
                }
                Some(digits.parse().map_err(|_| ())?)
            }
        };
        Ok(Self { host, port })
    }
}

fn is_name(host: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let label = |it: &str| !it.is_empty() && it.len() <= 63 && it.bytes().all(fits);
    // A name whose last label is a number is an IPv4 address to a browser, so it has to be one.
    let last = host.rsplit('.').next().unwrap_or(host);
    let numeric = last.starts_with(|it: char| it.is_ascii_digit())
        && (last.bytes().all(|it| it.is_ascii_digit()) || last.starts_with("0x"));
    host.len() <= 253
        && host.split('.').all(label)
        && (!numeric || host.parse::<Ipv4Addr>().is_ok())
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

impl FromStr for AllowedHost {
    type Err = AllowedHostError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let authority = text.parse().map_err(|()| AllowedHostError {
            text: text.to_owned(),
        })?;
        Ok(Self { authority })
    }
}

#[cfg(test)]
mod tests;
