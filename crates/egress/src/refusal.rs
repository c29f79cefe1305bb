use std::{io, net::IpAddr};

use domain::{HostPort, HostPortError};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("`{target}` is not on the list of what this server may reach; allow it if it should")]
    NotAllowed { target: HostPort },
    #[error("the target is not a host and a port")]
    Target(#[source] HostPortError),
    #[error("`{host}` is a number that is no plain address")]
    OddAddress { host: String },
    #[error(
        "`{target}` has the address {address}, which is {class}; allow its range in the settings if it should be reached"
    )]
    Address {
        target: HostPort,
        address: IpAddr,
        class: &'static str,
    },
    #[error("{max} connections of this server are open, the most is `connections_per_server_max`")]
    TooMany { max: usize },
    #[error("`{target}` cannot be resolved")]
    Resolve {
        target: HostPort,
        #[source]
        source: io::Error,
    },
    #[error("`{target}` cannot be reached")]
    Connect {
        target: HostPort,
        #[source]
        source: io::Error,
    },
    /// Within `resolve_timeout` or `connect_timeout`.
    #[error("`{target}` did not answer in time")]
    Timeout { target: HostPort },
    #[error("the proxy has answered {status} for `{target}`")]
    Proxy { target: HostPort, status: u16 },
}

impl Refusal {
    /// Returns whether it is forbidden; if not, it is allowed and failed.
    pub const fn is_forbidden(&self) -> bool {
        match self {
            Self::NotAllowed { .. }
            | Self::Target(_)
            | Self::OddAddress { .. }
            | Self::Address { .. }
            | Self::TooMany { .. } => true,
            Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::Timeout { .. }
            | Self::Proxy { .. } => false,
        }
    }

    /// Returns whether the same may work a little later.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::TooMany { .. }
            | Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::Timeout { .. } => true,
            Self::Proxy { status, .. } => 500 <= *status,
            Self::NotAllowed { .. }
            | Self::Target(_)
            | Self::OddAddress { .. }
            | Self::Address { .. } => false,
        }
    }
}
