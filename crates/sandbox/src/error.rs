use std::{path::PathBuf, time::Duration};

use domain::SandboxKey;

/// What can go wrong in a [`Sandbox`](crate::Sandbox).
///
/// A variant is here because somebody up the stack does something else for it: the reconciler tries
/// again after some of them and not after others (see [`is_transient`](Self::is_transient)), the
/// UI offers to build the image after [`ImageMissing`](Self::ImageMissing), `doctor` tells a
/// machine without Podman from one whose Podman does not answer. Everything else is
/// [`Failed`](Self::Failed), told apart by its message alone.
///
/// The messages say what was being done. They leave out the source's text: whoever reports an
/// error prints the whole chain, and then the [`hint`](Self::hint).
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The program that runs containers is not on this machine.
    #[error("`{program}` is not installed")]
    BackendMissing { program: String },
    #[error("{backend} cannot be reached")]
    BackendUnavailable {
        backend: &'static str,
        hint: String,
        #[source]
        source: BoxError,
    },
    #[error("image `{image}` is not there")]
    ImageMissing { image: String },
    /// A folder of the host may not be mounted, or would be of no use inside.
    #[error("folder `{}` cannot be given to the server: {reason}", path.display())]
    FolderRefused {
        path: PathBuf,
        reason: String,
        fix: String,
    },
    /// A volume that the sandbox is to have does not exist.
    #[error("volume `{volume}` is not there")]
    VolumeMissing { volume: String },
    /// The sandbox ended before its bridge answered.
    #[error("{}", exited_in_words(*code, *out_of_memory, last_lines))]
    Exited {
        key: SandboxKey,
        code: Option<i32>,
        out_of_memory: bool,
        /// What it has written last; at most a screen.
        last_lines: Vec<String>,
    },
    #[error("cannot {operation} within {limit:?}{}", with_lines(last_lines))]
    Timeout {
        operation: String,
        limit: Duration,
        last_lines: Vec<String>,
    },
    #[error("cannot {operation}")]
    Failed {
        operation: String,
        hint: Option<String>,
        #[source]
        source: BoxError,
    },
}

/// The exit code after `SIGKILL`.
const KILLED: i32 = 137;

/// An error of a backend, kept for its message.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl SandboxError {
    /// Whether the same call may succeed later with nothing changed by a person.
    pub fn is_transient(&self) -> bool {
        match self {
            // A bridge can have been killed from outside, as can whatever was too late.
            Self::BackendUnavailable { .. } | Self::Exited { .. } | Self::Timeout { .. } => true,
            Self::BackendMissing { .. }
            | Self::ImageMissing { .. }
            | Self::FolderRefused { .. }
            | Self::VolumeMissing { .. }
            | Self::Failed { .. } => false,
        }
    }

    /// Returns what a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::BackendMissing { .. } => Some(
                "install Podman (`apt-get install podman`, `dnf install podman`), or set `podman_program` to where it is, and try again"
                    .to_owned(),
            ),
            Self::BackendUnavailable { hint, .. } => Some(hint.clone()),
            Self::ImageMissing { image } if image.starts_with("localhost/") => Some(
                "run `archestra image build`, or name another image in the settings".to_owned(),
            ),
            Self::ImageMissing { image } => Some(format!(
                "get it with `podman pull {image}`, or leave `sandbox.image` out and run `archestra image build`"
            )),
            Self::FolderRefused { fix, .. } => Some(fix.clone()),
            Self::VolumeMissing { .. } => Some("install the server again".to_owned()),
            Self::Exited {
                code,
                out_of_memory,
                ..
            } => (*out_of_memory || *code == Some(KILLED))
                .then(|| "raise the server's `memory_bytes_max`".to_owned()),
            Self::Timeout { .. } => None,
            Self::Failed { hint, .. } => hint.clone(),
        }
    }

    pub(crate) fn failed(operation: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self::Failed {
            operation: operation.into(),
            hint: None,
            source: source.into(),
        }
    }
}

fn exited_in_words(code: Option<i32>, out_of_memory: bool, last_lines: &[String]) -> String {
    let how = match (code, out_of_memory) {
        (_, true) => "the sandbox ran out of memory and was ended".to_owned(),
        // Podman does not always know whose signal it was.
        (Some(KILLED), _) => {
            "the sandbox was killed: it ran out of memory, or somebody ended it".to_owned()
        }
        (Some(code), _) => format!("the sandbox ended with exit code {code}"),
        (None, _) => "the sandbox ended".to_owned(),
    };
    how + &with_lines(last_lines)
}

fn with_lines(last_lines: &[String]) -> String {
    if last_lines.is_empty() {
        return String::new();
    }
    format!("; its last lines: `{}`", last_lines.join(" | "))
}
