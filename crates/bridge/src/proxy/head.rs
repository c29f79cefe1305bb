/// The longest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// The most fields in one.
const FIELDS_MAX: usize = 100;

/// What a client wants from the proxy.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) host: String,
    pub(crate) port: u16,
    is_connect: bool,
    /// What goes out first: what came with the head, and without CONNECT the head itself.
    forward: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeadError {
    #[error("the request's head is longer than {HEAD_BYTES_MAX} bytes")]
    TooLong,
    #[error("the request is not HTTP/1: {0}")]
    Syntax(httparse::Error),
    #[error("the target `{0}` must be `host:port` for CONNECT, or begin with `http://`")]
    Target(String),
}

impl Head {
    /// Returns what the client hears when the connection is made.
    pub(crate) fn answer(&self) -> &'static [u8] {
        if self.is_connect {
            b"HTTP/1.1 200 Connection established\r\n\r\n"
        } else {
            b""
        }
    }

    pub(crate) fn forward(&self) -> &[u8] {
        &self.forward
    }
}

/// Reads a head; `None` where more of it is to come.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Head>, HeadError> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut fields);
    let within = &bytes[..bytes.len().min(HEAD_BYTES_MAX)];
    let len = match request.parse(within).map_err(HeadError::Syntax)? {
        httparse::Status::Complete(len) => len,
        httparse::Status::Partial if HEAD_BYTES_MAX <= bytes.len() => {
            return Err(HeadError::TooLong);
        }
        httparse::Status::Partial => return Ok(None),
    };
    let method = request.method.unwrap_or_default();
    let target = request.path.unwrap_or_default();
    let wrong = || HeadError::Target(target.to_owned());
    let rest = &bytes[len..];

    if method == "CONNECT" {
        let (host, port) = authority(target, None).ok_or_else(wrong)?;
        return Ok(Some(Head {
            host,
            port,
            is_connect: true,
            forward: rest.to_vec(),
        }));
    }
    let (scheme, address) = target.split_at_checked(HTTP.len()).ok_or_else(wrong)?;
    if !scheme.eq_ignore_ascii_case(HTTP) {
        return Err(wrong());
    }
    let end = address.find(['/', '?', '#']).unwrap_or(address.len());
    let (named, path) = address.split_at(end);
    let (host, port) = authority(named, Some(80)).ok_or_else(wrong)?;
    let mut forward = origin_form(method, named, path, request.version, request.headers);
    forward.extend_from_slice(rest);
    Ok(Some(Head {
        host,
        port,
        is_connect: false,
        forward,
    }))
}

const HTTP: &str = "http://";

/// Reads `host:port`, where the host may be an IPv6 address in brackets. Whether it is a host that
/// can be, the other end decides.
fn authority(text: &str, default_port: Option<u16>) -> Option<(String, u16)> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let port = match port {
        Some(port) => port.parse().ok()?,
        None => default_port?,
    };
    let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let is_whole = bare.is_some() || !host.contains([':', '[', ']']);
    let host = bare.unwrap_or(host);
    if host.is_empty() || port == 0 || !is_whole || host.contains(['@', '/']) {
        return None;
    }
    Some((host.to_owned(), port))
}

/// Writes a head as an origin expects it. One request is all that this connection carries.
fn origin_form(
    method: &str,
    named: &str,
    path: &str,
    version: Option<u8>,
    fields: &[httparse::Header<'_>],
) -> Vec<u8> {
    let slash = if path.starts_with('/') { "" } else { "/" };
    let path = path.split('#').next().unwrap_or_default();
    let version = version.unwrap_or(1);
    let mut head =
        format!("{method} {slash}{path} HTTP/1.{version}\r\nHost: {named}\r\n").into_bytes();
    for field in fields {
        let name = field.name.to_ascii_lowercase();
        // The host is the target's (RFC 9112, 3.2.2); the others are about this hop.
        if matches!(&*name, "host" | "connection" | "keep-alive") || name.starts_with("proxy-") {
            continue;
        }
        head.extend_from_slice(field.name.as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(field.value);
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"Connection: close\r\n\r\n");
    head
}

#[cfg(test)]
mod tests;
