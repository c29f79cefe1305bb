use std::{io, path::PathBuf, time::Duration};

use domain::wire::WireError;

/// What can go wrong on a line, or while waiting for one.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The line has ended; the bridge dials again, unless its sandbox has ended, too.
    #[error("the line to the sandbox has ended: {reason}")]
    Closed { reason: String },
    /// The line is there and the stream is not.
    #[error("the stream to the sandbox was reset")]
    StreamReset,
    #[error("no answer from the sandbox within {limit:?}")]
    Timeout { limit: Duration },
    #[error("there are {max} streams to the sandbox, which is the most")]
    TooManyStreams { max: usize },
    /// The bridge could not start the process.
    #[error("{reason}")]
    StartFailed { reason: String },
    /// What was asked for cannot be sent.
    #[error("the request to the sandbox cannot be sent")]
    Request {
        #[source]
        source: WireError,
    },
    /// What has come makes no sense.
    #[error("the sandbox sent what cannot be understood")]
    Answer {
        #[source]
        source: WireError,
    },
    #[error("a line of {bytes} bytes for the process, the most is {max}")]
    LineTooLong { bytes: usize, max: usize },
    #[error("a line break within a line for the process")]
    LineBreak,
    #[error("cannot listen for the sandbox at `{}`", path.display())]
    Listen {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl LineError {
    /// Whether the same may succeed later, or on the next line, with nothing changed by a person.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Closed { .. }
            | Self::StreamReset
            | Self::Timeout { .. }
            | Self::TooManyStreams { .. } => true,
            Self::StartFailed { .. }
            | Self::Request { .. }
            | Self::Answer { .. }
            | Self::LineTooLong { .. }
            | Self::LineBreak
            | Self::Listen { .. } => false,
        }
    }
}
