use domain::Source;
use gateway::UpstreamState;
use store::InstallState;

use crate::{Row, Shared, reconciler::SandboxStatus};

/// How a server stands, with the reason where something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerStatus {
    Disabled,
    /// It is being installed; the step that is under way.
    Installing {
        step: String,
    },
    /// Its package has scripts of its own, and a person has to decide about them.
    WaitingForConsent {
        packages: Vec<String>,
    },
    InstallFailed {
        reason: String,
    },
    /// It starts when it is used.
    Ready,
    Starting,
    Running {
        requests: usize,
    },
    Failed {
        reason: String,
        retry_in_s: u64,
    },
}

impl ServerStatus {
    /// Returns the word that stands for it in the API and on the command line.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Installing { .. } => "installing",
            Self::WaitingForConsent { .. } => "waiting_for_consent",
            Self::InstallFailed { .. } => "install_failed",
            Self::Ready => "ready",
            Self::Starting => "starting",
            Self::Running { .. } => "running",
            Self::Failed { .. } => "failed",
        }
    }

    /// Returns why it is not well, or what it waits for.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Installing { step } => Some(format!("step `{step}`")),
            Self::WaitingForConsent { packages } => Some(format!(
                "these packages want to run scripts of their own while they are installed: {}",
                packages.join(", ")
            )),
            Self::InstallFailed { reason } => Some(reason.clone()),
            Self::Failed { reason, retry_in_s } if 0 < *retry_in_s => {
                Some(format!("{reason}; it can be tried again in {retry_in_s} s"))
            }
            Self::Failed { reason, .. } => Some(reason.clone()),
            Self::Disabled | Self::Ready | Self::Starting | Self::Running { .. } => None,
        }
    }
}

/// An install of a server that is not ready, as far as its status goes.
pub(crate) struct OpenInstall {
    pub(crate) state: InstallState,
    pub(crate) step: Option<String>,
    pub(crate) failure: Option<String>,
    pub(crate) build_scripts: Vec<String>,
}

/// Says how a server stands. `open` is its newest install, if that is not the one it runs from.
pub(crate) fn status(shared: &Shared, row: &Row, open: Option<OpenInstall>) -> ServerStatus {
    if !row.stored.enabled {
        return ServerStatus::Disabled;
    }
    if let Some(install) = open.filter(|_| row.install.is_none()) {
        return match install.state {
            InstallState::WaitingForConsent => ServerStatus::WaitingForConsent {
                packages: install.build_scripts,
            },
            InstallState::Failed => ServerStatus::InstallFailed {
                reason: install.failure.unwrap_or_else(|| "it failed".to_owned()),
            },
            _ => ServerStatus::Installing {
                step: install.step.unwrap_or_else(|| "waiting".to_owned()),
            },
        };
    }
    let upstreams = shared.gateway().upstreams(row.stored.id);
    let open = upstreams.iter().filter_map(|it| match it {
        UpstreamState::Open { requests } => Some(*requests),
        _ => None,
    });
    let open: Vec<usize> = open.collect();
    if !open.is_empty() {
        return ServerStatus::Running {
            requests: open.iter().sum(),
        };
    }
    for upstream in &upstreams {
        match upstream {
            UpstreamState::Starting => return ServerStatus::Starting,
            UpstreamState::Failed { reason, retry_in } => {
                return ServerStatus::Failed {
                    reason: reason.clone(),
                    retry_in_s: retry_in.as_secs(),
                };
            }
            UpstreamState::Open { .. } => {}
        }
    }
    let sandboxes = match row.stored.spec.source {
        Source::Package(_) => shared.statuses.of_server(row.stored.id),
        Source::Remote { .. } => Vec::new(),
    };
    for sandbox in sandboxes {
        match sandbox {
            SandboxStatus::Failed { message, .. } => {
                return ServerStatus::Failed {
                    reason: message,
                    retry_in_s: 0,
                };
            }
            SandboxStatus::Starting => return ServerStatus::Starting,
            SandboxStatus::Pending | SandboxStatus::Running => {}
        }
    }
    ServerStatus::Ready
}
