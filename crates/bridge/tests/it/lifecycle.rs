use std::{
    io::Read,
    os::unix::{fs::MetadataExt, net::UnixStream, process::CommandExt},
    path::Path,
    sync::Arc,
    time::Duration,
};

use domain::wire::Health;
use sandbox::line::{Authorize, LineError, Listener};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Bridge, Egress, PATIENCE, Rig, binary, command, eventually, exited, is_alive, line,
    make_readable, next, next_line, open, out, program, rest, shell, soon,
};

fn listen(dir: &Path, authorize: Authorize) -> Listener {
    let egress = Arc::new(Egress::default());
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    Listener::bind(dir, authorize, egress, tasks, &shutdown).unwrap()
}

#[tokio::test]
async fn health_tells_what_runs() {
    let rig = Rig::start();
    let line = rig.line().await;
    let nothing = Health {
        processes: 0,
        egress: 0,
    };
    assert_eq!(line.health(PATIENCE).await.unwrap(), nothing);
    let process = open(&line, program(&["cat"])).await;
    assert_eq!(line.health(PATIENCE).await.unwrap().processes, 1);
    drop(process);
    while line.health(PATIENCE).await.unwrap() != nothing {}
    rig.end().await;
}

#[tokio::test]
async fn a_line_that_ends_stops_its_processes_and_is_dialled_again() {
    let mut rig = Rig::start();
    let first = rig.line().await;
    let process = open(&first, shell("sleep 1000 & echo $!; exec sleep 1000")).await;
    let pid = i32::try_from(process.pid()).unwrap();
    let (mut reader, mut writer) = process.split();
    let grandchild = next_line(&mut reader).await.parse().unwrap();

    first.close();
    assert!(matches!(
        soon(reader.next()).await,
        Err(LineError::Closed { .. })
    ));
    assert!(matches!(
        writer.line(b"x").await,
        Err(LineError::Closed { .. })
    ));
    let refused = soon(first.open_process(program(&["cat"]))).await;
    assert!(
        matches!(refused, Err(LineError::Closed { .. })),
        "{refused:?}"
    );
    eventually("the process is gone", || {
        !is_alive(pid) && !is_alive(grandchild)
    })
    .await;

    let second = rig.line().await;
    assert_eq!(second.health(PATIENCE).await.unwrap().processes, 0);

    // The host is started again, and its socket with it.
    let stubborn = "trap '' TERM; echo $$; while :; do sleep 0.01; done";
    let (mut reader, _writer) = open(&second, shell(stubborn)).await.split();
    let pid = next_line(&mut reader).await.parse().unwrap();
    rig.shutdown.cancel();
    soon(second.closed()).await;
    rig.shutdown = CancellationToken::new();
    rig.listener = Listener::bind(
        rig.dir.path(),
        Authorize::Anybody,
        Arc::new(Egress::default()),
        rig.tasks.clone(),
        &rig.shutdown,
    )
    .unwrap();
    let third = rig.line().await;
    assert!(
        !is_alive(pid),
        "a line begins when the processes of the one before are gone"
    );
    let (mut reader, _writer) = open(&third, shell("echo again")).await.split();
    assert_eq!(rest(&mut reader).await, [out("again"), exited(0)]);
    rig.end().await;
}

#[tokio::test]
async fn a_bridge_that_is_killed_ends_its_line() {
    let mut rig = Rig::start();
    let line = rig.line().await;
    let (mut reader, _writer) = open(&line, program(&["cat"])).await.split();
    rig.bridge.child.kill().unwrap();
    soon(line.closed()).await;
    assert!(matches!(
        soon(reader.next()).await,
        Err(LineError::Closed { .. })
    ));
    let mut state = rig.listener.line();
    soon(state.wait_for(Option::is_none)).await.unwrap();
}

#[tokio::test]
async fn only_the_expected_process_gets_a_line() {
    let rig = Rig::with(Egress::default(), Authorize::NobodyYet);
    // It waits until it is known who is expected, whoever dials.
    rig.listener.expect_pid(rig.bridge.raw_pid());
    let line = rig.line().await;

    let mut stranger = UnixStream::connect(rig.listener.path()).unwrap();
    let mut refused = rig.listener.refused();
    soon(refused.wait_for(|it| *it == 1)).await.unwrap();
    stranger.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(stranger.read(&mut [0; 1]).unwrap(), 0);
    line.health(PATIENCE).await.unwrap();

    // When another process is the bridge, the line of this one ends.
    rig.listener.expect_pid(1);
    soon(line.closed()).await;
    soon(refused.wait_for(|it| *it == 2)).await.unwrap();
    assert!(rig.listener.line().borrow().is_none());
    rig.end().await;
}

#[tokio::test]
async fn a_stranger_who_dials_first_does_not_keep_the_bridge_out() {
    let dir = tempfile::tempdir().unwrap();
    let listener = listen(dir.path(), Authorize::NobodyYet);
    let strangers: Vec<_> = (0..20)
        .map(|_| UnixStream::connect(listener.path()).unwrap())
        .collect();
    let bridge = Bridge::start(listener.path());
    listener.expect_pid(bridge.raw_pid());
    line(&listener).await.health(PATIENCE).await.unwrap();
    let mut refused = listener.refused();
    soon(refused.wait_for(|it| *it >= strangers.len() as u64))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_socket_may_be_at_a_long_path() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("d".repeat(120)).join("e".repeat(120));
    std::fs::create_dir_all(&deep).unwrap();
    let listener = listen(&deep, Authorize::Anybody);
    assert_eq!(listener.path().metadata().unwrap().mode() & 0o777, 0o666);
    assert_eq!(deep.metadata().unwrap().mode() & 0o777, 0o755);
    // A second one takes it over, as after a crash.
    let listener = {
        std::mem::forget(listener);
        listen(&deep, Authorize::Anybody)
    };
    let path = listener.path().to_owned();
    drop(listener);
    assert!(!path.exists());
}

#[tokio::test]
async fn orphans_are_reaped_and_take_no_exit_status_away() {
    let rig = Rig::start();
    let line = rig.line().await;
    let script = "for i in 1 2 3 4 5; do (setsid sh -c 'exit 9' &); done; exit 6";
    for _ in 0..20 {
        let (mut reader, _writer) = open(&line, shell(script)).await.split();
        assert_eq!(rest(&mut reader).await, [exited(6)]);
    }
    eventually("no zombie is left", || rig.bridge.children().is_empty()).await;
    rig.end().await;
}

#[tokio::test]
async fn nothing_is_left_of_many_processes() {
    let rig = Rig::start();
    let line = rig.line().await;
    line.health(PATIENCE).await.unwrap();
    let fds = rig.bridge.fds();
    for round in 0..60 {
        let (mut reader, mut writer) = open(&line, program(&["cat"])).await.split();
        writer.line(b"x").await.unwrap();
        assert_eq!(next(&mut reader).await, out("x"));
        if round % 2 == 0 {
            writer.end().await.unwrap();
            rest(&mut reader).await;
        }
    }
    while line.health(PATIENCE).await.unwrap().processes != 0 {}
    assert_eq!(rig.bridge.fds(), fds);
    assert!(rig.bridge.children().is_empty());
    rig.end().await;
}

#[tokio::test]
async fn its_end_is_its_processes_end() {
    let rig = Rig::start();
    let line = rig.line().await;
    let (mut reader, _writer) = open(&line, shell("echo $$; exec sleep 1000")).await.split();
    let pid = next_line(&mut reader).await.parse().unwrap();
    rig.end().await;
    assert!(!is_alive(pid));
}

#[tokio::test]
async fn another_process_of_its_user_cannot_read_it() {
    const NOBODY: u32 = 65_534;
    let dir = tempfile::tempdir().unwrap();
    make_readable(dir.path());
    let program = dir.path().join("bridge");
    std::fs::copy(binary(), &program).unwrap();
    let sockets = dir.path().join("line");
    std::fs::create_dir(&sockets).unwrap();
    let listener = listen(&sockets, Authorize::Anybody);
    let is_root = rustix::process::getuid().is_root();
    let user = if is_root {
        NOBODY
    } else {
        rustix::process::getuid().as_raw()
    };
    let mut start = command(&program);
    if is_root {
        start.uid(user).gid(user);
    }
    let bridge = Bridge::spawn(&mut start, listener.path());
    let line = line(&listener).await;

    let pid = bridge.raw_pid();
    for file in ["environ", "maps", "mem"] {
        let path = format!("/proc/{pid}/{file}");
        assert_eq!(std::fs::metadata(&path).unwrap().uid(), 0, "{path}");
        let (mut reader, _writer) = open(&line, crate::program(&["cat", &path])).await.split();
        let events = format!("{:?}", rest(&mut reader).await);
        assert!(events.contains("Permission denied"), "{path}: {events}");
    }
    // The child is an ordinary process: it is readable by its own user.
    let (mut reader, _writer) = open(&line, shell("cat /proc/$$/environ")).await.split();
    assert!(next_line(&mut reader).await.contains("PATH="));
}

#[tokio::test]
async fn as_pid_1_it_kills_what_has_left_its_group() {
    let dir = tempfile::tempdir().unwrap();
    let listener = listen(dir.path(), Authorize::Anybody);
    let mut start = command(Path::new("unshare"));
    let in_namespace = [
        "--user",
        "--map-root-user",
        "--pid",
        "--fork",
        "--kill-child",
    ];
    start.args(in_namespace).arg(binary());
    let bridge = Bridge::spawn(&mut start, listener.path());
    let line = line(&listener).await;
    let script = "setsid sleep 1000 & echo $$ $!; exec cat";
    let (mut reader, writer) = open(&line, shell(script)).await.split();
    let inside = next_line(&mut reader).await;
    let [init] = bridge.children()[..] else {
        panic!("{:?}", bridge.children())
    };
    let names = || descendants(init).join(" ");
    eventually("both are what they become", || names() == "cat sleep").await;
    drop((reader, writer));
    eventually("nothing but PID 1 is left", || names().is_empty()).await;
    assert_eq!(
        line.health(PATIENCE).await.unwrap().processes,
        0,
        "{inside}"
    );
}

/// Names of the programs that a process has begun and that have begun one another.
fn descendants(pid: i32) -> Vec<String> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let children = std::fs::read_to_string(path).unwrap_or_default();
    let mut names = Vec::new();
    for child in children.split_whitespace() {
        let name = std::fs::read_to_string(format!("/proc/{child}/comm")).unwrap_or_default();
        names.push(name.trim().to_owned());
        names.extend(descendants(child.parse().unwrap()));
    }
    names
}

#[tokio::test]
async fn wrong_arguments_are_told() {
    let mut start = command(&binary());
    let told = start.args(["--socket"]).output().unwrap();
    assert_eq!(told.status.code(), Some(64));
    assert_eq!(
        String::from_utf8(told.stderr).unwrap(),
        "bridge: wrong arguments: `--socket` needs a value\n"
    );
}

#[tokio::test]
async fn a_line_that_was_refused_is_dialled_again_ever_more_slowly() {
    let dir = tempfile::tempdir().unwrap();
    let listener = listen(dir.path(), Authorize::Pid(1));
    let _bridge = Bridge::start(listener.path());
    let mut refused = listener.refused();
    // 50 + 100 + 200 + 400 ms lie between five attempts.
    let began = std::time::Instant::now();
    soon(refused.wait_for(|it| *it == 5)).await.unwrap();
    assert!(Duration::from_millis(750) <= began.elapsed());
}
