use std::{
    io,
    os::{
        fd::AsRawFd,
        unix::{
            fs::{MetadataExt, PermissionsExt},
            net as std_unix,
        },
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use super::{EgressHandler, Line, LineError};

/// The socket's name in its directory.
const SOCKET_NAME: &str = "line.sock";
/// Connections that wait until it is known whether they are the right ones.
const HELD_MAX: usize = 4;
/// How long one of those waits. The bridge dials again.
const HELD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long nothing is accepted after the system could not.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who may be at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authorize {
    /// Not known yet. Connections wait for a while.
    NobodyYet,
    /// The process with this number, as the host sees it: PID 1 of the sandbox.
    Pid(i32),
    /// Everybody, where the dialler cannot be seen and is authenticated otherwise; and in tests.
    Anybody,
}

/// Waits for a sandbox's bridge, and has its line.
///
/// The directory of the socket is mounted into the sandbox, where every process can dial it. So it
/// looks at who dials (`SO_PEERCRED`): only the process that is expected gets a line, and it has one
/// at a time.
///
/// Dropping it ends the line and takes the socket away.
#[derive(Debug)]
pub struct Listener {
    authorize: watch::Sender<Authorize>,
    line: watch::Receiver<Option<Line>>,
    refused: watch::Receiver<u64>,
    path: PathBuf,
    /// Which file the socket is, so that no other one's is removed in its place.
    inode: u64,
    _cancel: DropGuard,
}

impl Listener {
    /// Binds `line.sock` in `dir`, which must be there, and whose path may be of any length.
    ///
    /// The directory becomes 0755 and the socket 0666, because the sandbox's user is another one
    /// than ours and has to reach both; it is the directory's parent that keeps the other users of
    /// this machine out.
    ///
    /// # Errors
    ///
    /// [`LineError::Listen`].
    pub fn bind(
        dir: &Path,
        authorize: Authorize,
        egress: Arc<dyn EgressHandler>,
        tasks: TaskTracker,
        shutdown: &CancellationToken,
    ) -> Result<Self, LineError> {
        let path = dir.join(SOCKET_NAME);
        let (listener, inode) = bind(dir).map_err(|source| LineError::Listen {
            path: path.clone(),
            source,
        })?;
        let cancel = shutdown.child_token();
        let (authorize, authorized) = watch::channel(authorize);
        let (line_now, line) = watch::channel(None);
        let (refused_now, refused) = watch::channel(0);
        let acceptor = Acceptor {
            listener,
            authorized,
            held: Vec::new(),
            line: line_now,
            refused: refused_now,
            egress,
            tasks: tasks.clone(),
            cancel: cancel.clone(),
        };
        tasks.spawn(acceptor.run());
        Ok(Self {
            authorize,
            line,
            refused,
            path,
            inode,
            _cancel: cancel.drop_guard(),
        })
    }

    /// Sets which process is the sandbox's bridge. A line of another one ends.
    pub fn expect_pid(&self, pid: i32) {
        self.authorize.send_replace(Authorize::Pid(pid));
    }

    /// Returns where the line that is up can be seen. `None` is none yet, or none any more.
    pub fn line(&self) -> watch::Receiver<Option<Line>> {
        self.line.clone()
    }

    /// Returns where the number of connections that were refused can be seen.
    pub fn refused(&self) -> watch::Receiver<u64> {
        self.refused.clone()
    }

    /// Returns where the socket is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let is_ours = std::fs::symlink_metadata(&self.path).is_ok_and(|it| it.ino() == self.inode);
        if is_ours {
            // The next one to bind would take it away, too.
            std::fs::remove_file(&self.path).ok();
        }
    }
}

/// Returns the inode of the socket, too.
fn bind(dir: &Path) -> io::Result<(UnixListener, u64)> {
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755))?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = rustix::fs::openat(CWD, dir, flags, Mode::empty())?;
    match rustix::fs::unlinkat(&dir, SOCKET_NAME, AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => {}
        Err(err) => return Err(err.into()),
    }
    // An address of a Unix socket has 108 bytes, and a path may have more.
    let short = format!("/proc/self/fd/{}/{SOCKET_NAME}", dir.as_raw_fd());
    let listener = std_unix::UnixListener::bind(short)?;
    rustix::fs::chmodat(
        &dir,
        SOCKET_NAME,
        Mode::from_raw_mode(0o666),
        AtFlags::empty(),
    )?;
    let inode = rustix::fs::statat(&dir, SOCKET_NAME, AtFlags::SYMLINK_NOFOLLOW)?.st_ino;
    listener.set_nonblocking(true)?;
    Ok((UnixListener::from_std(listener)?, inode))
}

/// The task of a [`Listener`].
struct Acceptor {
    listener: UnixListener,
    authorized: watch::Receiver<Authorize>,
    // Invariant: at most `HELD_MAX`, oldest first.
    held: Vec<Held>,
    line: watch::Sender<Option<Line>>,
    refused: watch::Sender<u64>,
    egress: Arc<dyn EgressHandler>,
    tasks: TaskTracker,
    cancel: CancellationToken,
}

struct Held {
    transport: UnixStream,
    pid: Option<i32>,
    until: Instant,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Take,
    Hold,
    Refuse,
}

/// Decides about a connection from `pid`.
fn judge(authorize: Authorize, pid: Option<i32>, line_is_up: bool) -> Verdict {
    match authorize {
        Authorize::NobodyYet => Verdict::Hold,
        Authorize::Pid(expected) if pid != Some(expected) => Verdict::Refuse,
        // The bridge has dialled again, and the end of its old line has not been seen yet.
        Authorize::Pid(_) | Authorize::Anybody if line_is_up => Verdict::Hold,
        Authorize::Pid(_) | Authorize::Anybody => Verdict::Take,
    }
}

impl Acceptor {
    async fn run(mut self) {
        let cancel = self.cancel.clone();
        cancel.run_until_cancelled(self.accept()).await;
        self.line.send_replace(None);
    }

    async fn accept(&mut self) {
        let mut of_whom = Authorize::NobodyYet;
        loop {
            let authorize = *self.authorized.borrow_and_update();
            if authorize != of_whom {
                self.line.send_if_modified(end_line);
                of_whom = authorize;
            }
            self.settle(authorize);
            let line = self.line.borrow().clone();
            let held_until = self.held.first().map(|it| it.until);
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((transport, _)) => self.hold(transport),
                    Err(err) => {
                        tracing::warn!(
                            error = &err as &dyn std::error::Error,
                            "Cannot accept a sandbox's connection"
                        );
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
                Ok(()) = self.authorized.changed() => {}
                () = closed(line.as_ref()), if line.is_some() => {
                    self.line.send_replace(None);
                }
                () = sleep_until(held_until.unwrap_or_else(Instant::now)),
                    if held_until.is_some() => {}
            }
        }
    }

    fn hold(&mut self, transport: UnixStream) {
        let pid = transport.peer_cred().ok().and_then(|it| it.pid());
        self.held.push(Held {
            transport,
            pid,
            until: Instant::now() + HELD_TIMEOUT,
        });
    }

    /// Takes and refuses what can be taken and refused by now.
    fn settle(&mut self, authorize: Authorize) {
        let now = Instant::now();
        let mut held = Vec::new();
        for it in std::mem::take(&mut self.held) {
            let line_is_up = self
                .line
                .borrow()
                .as_ref()
                .is_some_and(|it| !it.is_closed());
            match judge(authorize, it.pid, line_is_up) {
                Verdict::Take => {
                    let egress = Arc::clone(&self.egress);
                    let line = Line::start(it.transport, egress, &self.tasks, &self.cancel);
                    self.line.send_replace(Some(line));
                }
                Verdict::Hold if now < it.until && held.len() < HELD_MAX => held.push(it),
                Verdict::Hold | Verdict::Refuse => {
                    tracing::warn!(
                        process.pid = it.pid,
                        "Refused a connection from a sandbox that is not its bridge's"
                    );
                    self.refused.send_modify(|count| *count += 1);
                }
            }
        }
        self.held = held;
    }
}

/// Ends the line where there is one. Returns whether there was.
fn end_line(line: &mut Option<Line>) -> bool {
    let Some(line) = line.take() else {
        return false;
    };
    line.close();
    true
}

/// Waits until the line has ended; forever where there is none. Cancel safe.
async fn closed(line: Option<&Line>) {
    match line {
        Some(line) => line.closed().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_expected_process_gets_a_line_and_only_one() {
        let verdicts = [
            (Authorize::NobodyYet, Some(1), false, Verdict::Hold),
            (Authorize::Pid(7), Some(7), false, Verdict::Take),
            (Authorize::Pid(7), Some(7), true, Verdict::Hold),
            (Authorize::Pid(7), Some(8), false, Verdict::Refuse),
            (Authorize::Pid(7), Some(8), true, Verdict::Refuse),
            (Authorize::Pid(7), None, false, Verdict::Refuse),
            (Authorize::Pid(7), Some(0), false, Verdict::Refuse),
            (Authorize::Anybody, None, false, Verdict::Take),
            (Authorize::Anybody, Some(8), true, Verdict::Hold),
        ];
        for (authorize, pid, line_is_up, expected) in verdicts {
            assert_eq!(
                judge(authorize, pid, line_is_up),
                expected,
                "{authorize:?} {pid:?} {line_is_up}"
            );
        }
    }
}
