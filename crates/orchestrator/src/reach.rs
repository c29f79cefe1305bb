use std::net::Ipv4Addr;

use url::{Host, Url};

/// What a client for HTTP has to reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Anything: by the host's proxy, with the host's certificates.
    Elsewhere,
    /// This machine, without TLS. No proxy sees it, and no certificate is read for it.
    Loopback,
    /// This machine, with TLS. No proxy sees it.
    LoopbackTls,
}

impl Reach {
    pub fn of(url: &Url) -> Self {
        let is_here = match url.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => match address.to_ipv4_mapped() {
                Some(address) => Ipv4Addr::is_loopback(&address),
                None => address.is_loopback(),
            },
            None => false,
        };
        match (is_here, url.scheme()) {
            (false, _) => Self::Elsewhere,
            (true, "http") => Self::Loopback,
            (true, _) => Self::LoopbackTls,
        }
    }

    /// Returns whether others may read what is sent.
    pub(crate) fn is_open(self, url: &Url) -> bool {
        self == Self::Elsewhere && url.scheme() != "https"
    }
}

#[cfg(test)]
mod tests {
    use super::Reach;

    #[test]
    fn what_is_on_this_machine_is_told_from_what_is_not() {
        for (url, expected, is_open) in [
            ("http://127.0.0.1:1", Reach::Loopback, false),
            ("http://127.8.0.1:1", Reach::Loopback, false),
            ("http://localhost/v1", Reach::Loopback, false),
            ("http://[::1]:1/", Reach::Loopback, false),
            ("http://[::ffff:127.0.0.1]:1/", Reach::Loopback, false),
            ("https://localhost/v1", Reach::LoopbackTls, false),
            ("https://api.test/v1", Reach::Elsewhere, false),
            ("http://api.test/v1", Reach::Elsewhere, true),
            ("http://localhost.api.test", Reach::Elsewhere, true),
            ("http://10.0.0.1", Reach::Elsewhere, true),
        ] {
            let url = url.parse().unwrap();
            let reach = Reach::of(&url);
            assert_eq!((reach, reach.is_open(&url)), (expected, is_open), "{url}");
        }
    }
}
