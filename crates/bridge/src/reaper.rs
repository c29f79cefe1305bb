use std::{
    collections::HashMap,
    io,
    process::{Child, Command},
    sync::{Mutex, PoisonError},
};

use domain::wire::Exit;
use rustix::process::{Pid, WaitOptions, WaitStatus, wait};
use tokio::{signal::unix::Signal, sync::oneshot};

/// The one who starts children and the only one who waits for them.
///
/// As PID 1 the bridge gets children that it has not started, too: orphans. Whoever waits for one
/// child only would leave those behind as zombies, and whoever waits for any child takes exit
/// statuses from the others who wait. So one waits for all, and tells the ones who have asked.
#[derive(Debug, Default)]
pub(crate) struct Reaper {
    /// Who wants to know the end of which child. Held while a child is started, so that it cannot
    /// be reaped before it is in here.
    known: Mutex<HashMap<Pid, oneshot::Sender<Exit>>>,
}

impl Reaper {
    /// Starts a child. The receiver hears how it ended.
    pub(crate) fn spawn(
        &self,
        command: &mut Command,
    ) -> io::Result<(Child, Pid, oneshot::Receiver<Exit>)> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let child = command.spawn()?;
        let pid = Pid::from_child(&child);
        let (tell, told) = oneshot::channel();
        known.insert(pid, tell);
        Ok((child, pid, told))
    }

    /// Reaps children, forever.
    pub(crate) async fn run(&self, mut signals: Signal) {
        loop {
            self.reap();
            if signals.recv().await.is_none() {
                return;
            }
        }
    }

    /// Reaps all that have ended: one signal may stand for several.
    fn reap(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if let Some(tell) = known.remove(&pid) {
                // Nobody listens when the stream's task has been dropped, at the very end.
                tell.send(exit(status)).ok();
            }
        }
    }
}

fn exit(status: WaitStatus) -> Exit {
    Exit {
        code: status.exit_status(),
        signal: status.terminating_signal(),
    }
}
