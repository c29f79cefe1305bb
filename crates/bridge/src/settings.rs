use std::{ffi::OsString, path::PathBuf};

use domain::wire;

/// Where things are. The defaults are the right ones in a sandbox.
#[derive(Debug, PartialEq, Eq)]
pub struct Settings {
    /// The host's socket.
    pub socket: PathBuf,
    /// Where the proxy listens on loopback; 0 for any free port.
    pub proxy_port: u16,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    #[error("unknown argument `{}`, there are `--socket PATH` and `--proxy-port PORT`", .0.display())]
    Unknown(OsString),
    #[error("`{0}` needs a value")]
    NoValue(&'static str),
    #[error("`{}` is not a port, it must be a number from 0 to 65535", .0.display())]
    Port(OsString),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            socket: PathBuf::from(wire::LINE_SOCKET),
            proxy_port: wire::PROXY_PORT,
        }
    }
}

impl Settings {
    /// Reads them from arguments, without the program's name.
    pub fn from_args(args: impl IntoIterator<Item = OsString>) -> Result<Self, SettingsError> {
        let mut settings = Self::default();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            match arg.to_str() {
                Some("--socket") => {
                    let value = args.next().ok_or(SettingsError::NoValue("--socket"))?;
                    settings.socket = value.into();
                }
                Some("--proxy-port") => {
                    let value = args.next().ok_or(SettingsError::NoValue("--proxy-port"))?;
                    let port = value.to_str().and_then(|it| it.parse().ok());
                    settings.proxy_port = port.ok_or(SettingsError::Port(value))?;
                }
                _ => return Err(SettingsError::Unknown(arg)),
            }
        }
        Ok(settings)
    }
}
