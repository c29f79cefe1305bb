use std::time::Duration;

use sandbox::line::{LineError, ProcessEvent};

use crate::{
    Rig, eventually, exited, is_alive, killed, next, next_line, open, out, program, rest, shell,
    soon,
};

#[tokio::test]
async fn lines_go_in_and_come_out() {
    let rig = Rig::start();
    let line = rig.line().await;
    let (mut reader, mut writer) = open(&line, program(&["cat"])).await.split();
    let long = "x".repeat(300_000);
    for text in ["{}", "", &long, "ä"] {
        writer.line(text.as_bytes()).await.unwrap();
        assert_eq!(next(&mut reader).await, out(text));
    }
    writer.end().await.unwrap();
    assert_eq!(rest(&mut reader).await, [exited(0)]);
    assert!(reader.next().await.unwrap().is_none());
    rig.end().await;
}

#[tokio::test]
async fn how_a_process_ends_is_told() {
    let rig = Rig::start();
    let line = rig.line().await;
    for (script, expected) in [
        ("exit 0", vec![exited(0)]),
        ("exit 7", vec![exited(7)]),
        ("kill -9 $$", vec![killed(9)]),
        (
            "echo a; printf b; exit 1",
            vec![out("a"), out("b"), exited(1)],
        ),
        (
            "echo why >&2; exit 2",
            vec![ProcessEvent::Stderr("why".into()), exited(2)],
        ),
    ] {
        let (mut reader, _writer) = open(&line, shell(script)).await.split();
        assert_eq!(rest(&mut reader).await, expected, "{script}");
    }
    rig.end().await;
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let rig = Rig::start();
    let line = rig.line().await;
    let refused = soon(line.open_process(program(&["no-such-program"]))).await;
    assert!(
        matches!(&refused, Err(LineError::StartFailed { reason })
        if reason.contains("no-such-program") && reason.contains("No such file")),
        "{refused:?}"
    );

    let mut nowhere = program(&["true"]);
    nowhere.cwd = "/nowhere".to_owned();
    let refused = soon(line.open_process(nowhere)).await;
    assert!(
        matches!(&refused, Err(LineError::StartFailed { reason })
        if reason.contains("/nowhere")),
        "{refused:?}"
    );

    let refused = soon(line.open_process(program(&[]))).await;
    assert!(
        matches!(refused, Err(LineError::StartFailed { .. })),
        "{refused:?}"
    );
    rig.end().await;
}

#[tokio::test]
async fn the_environment_is_what_was_asked_for_and_the_proxy() {
    let rig = Rig::start();
    let line = rig.line().await;
    let mut bare = program(&["env"]);
    bare.env.push(("TOKEN".to_owned(), "a b".to_owned()));
    let (mut reader, _writer) = open(&line, bare.clone()).await.split();
    let mut events = rest(&mut reader).await;
    assert_eq!(events.pop(), Some(exited(0)));
    assert_eq!(events, [out("PATH=/usr/bin:/bin"), out("TOKEN=a b")]);

    bare.proxy = true;
    let (mut reader, _writer) = open(&line, bare).await.split();
    let mut names = Vec::new();
    loop {
        match next(&mut reader).await {
            ProcessEvent::Stdout(text) => {
                let text = String::from_utf8(text.to_vec()).unwrap();
                names.push(text.split_once('=').unwrap().0.to_owned());
            }
            ProcessEvent::Exited(_) => break,
            other => panic!("{other:?}"),
        }
    }
    names.sort();
    assert_eq!(
        names.join(" "),
        "HTTPS_PROXY HTTP_PROXY NODE_USE_ENV_PROXY NO_PROXY PATH TOKEN http_proxy https_proxy no_proxy"
    );
    rig.end().await;
}

#[tokio::test]
async fn a_writer_hears_that_its_process_has_ended() {
    let rig = Rig::start();
    let line = rig.line().await;
    let (mut reader, mut writer) = open(&line, program(&["true"])).await.split();
    let refused = soon(async {
        loop {
            if let Err(err) = writer.line(&[b'x'; 1000]).await {
                break err;
            }
            tokio::task::yield_now().await;
        }
    });
    assert!(matches!(refused.await, LineError::StreamReset));
    assert_eq!(rest(&mut reader).await, [exited(0)]);
    rig.end().await;
}

#[tokio::test]
async fn a_process_that_never_reads_holds_back_its_writer_and_can_be_stopped() {
    let rig = Rig::start();
    let line = rig.line().await;
    let process = open(&line, program(&["sleep", "1000"])).await;
    let pid = i32::try_from(process.pid()).unwrap();
    let (reader, mut writer) = process.split();
    // More than all buffers on the way have room for.
    let flood = async {
        loop {
            writer.line(&[b'x'; 10_000]).await.unwrap();
        }
    };
    let flooded = tokio::time::timeout(Duration::from_millis(300), flood).await;
    assert!(flooded.is_err());
    assert!(rig.bridge.memory_peak_kib() < 32 << 10);

    let (mut other, mut writer_of_other) = open(&line, program(&["cat"])).await.split();
    writer_of_other.line(b"others go on").await.unwrap();
    assert_eq!(next(&mut other).await, out("others go on"));

    drop((reader, writer));
    eventually("the process is stopped", || !is_alive(pid)).await;
    rig.end().await;
}

#[tokio::test]
async fn a_stop_comes_by_signals_to_the_whole_group() {
    let rig = Rig::start();
    let line = rig.line().await;
    // Ends with its standard input.
    let (mut reader, mut writer) = open(&line, program(&["cat"])).await.split();
    writer.stop().await.unwrap();
    assert_eq!(rest(&mut reader).await, [exited(0)]);

    // Ends by the first signal, and takes its time to say so.
    let polite =
        "exec 2>/dev/null; trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.01; done";
    let (mut reader, mut writer) = open(&line, shell(polite)).await.split();
    assert_eq!(next(&mut reader).await, out("up"));
    writer.stop().await.unwrap();
    assert_eq!(rest(&mut reader).await, [out("bye"), exited(5)]);

    // Ends by the last one only.
    let stubborn = "trap '' TERM; sleep 1000 & echo $!; while :; do sleep 1000; done";
    let (mut reader, mut writer) = open(&line, shell(stubborn)).await.split();
    let grandchild = next_line(&mut reader).await.parse().unwrap();
    writer.stop().await.unwrap();
    assert_eq!(rest(&mut reader).await, [killed(9)]);
    eventually("the grandchild is gone", || !is_alive(grandchild)).await;
    rig.end().await;
}

#[tokio::test]
async fn a_line_of_100_mb_is_dropped_and_counted_and_takes_no_memory() {
    let rig = Rig::start();
    let line = rig.line().await;
    let script = "echo before; head -c 100000000 /dev/zero; echo; echo after";
    let (mut reader, _writer) = open(&line, shell(script)).await.split();
    assert_eq!(
        rest(&mut reader).await,
        [
            out("before"),
            ProcessEvent::LineTooLong { bytes: 100_000_000 },
            out("after"),
            exited(0)
        ]
    );
    assert!(rig.bridge.memory_peak_kib() < 32 << 10);
    rig.end().await;
}

#[tokio::test]
async fn a_flood_of_stderr_starves_no_answer() {
    const LINES: usize = 100_000;
    let rig = Rig::start();
    let line = rig.line().await;
    let script = format!("(yes 'something is wrong' | head -n {LINES} >&2) & exec cat");
    let (mut reader, mut writer) = open(&line, shell(&script)).await.split();
    let (mut errors, mut errors_at_first_answer) = (0, None);
    let mut answers = 0;
    writer.line(b"ping").await.unwrap();
    while answers < 100 || errors < LINES {
        match next(&mut reader).await {
            ProcessEvent::Stderr(_) => errors += 1,
            ProcessEvent::Stdout(_) => {
                errors_at_first_answer.get_or_insert(errors);
                answers += 1;
                if answers < 100 {
                    writer.line(b"ping").await.unwrap();
                }
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(errors_at_first_answer.unwrap() < LINES / 2);
    assert!(rig.bridge.memory_peak_kib() < 32 << 10);
    writer.end().await.unwrap();
    assert_eq!(rest(&mut reader).await, [exited(0)]);
    rig.end().await;
}

#[tokio::test]
async fn output_that_nobody_reads_holds_the_process_back() {
    let rig = Rig::start();
    let line = rig.line().await;
    let (reader, _writer) = open(&line, program(&["yes"])).await.split();
    let (mut other, mut writer) = open(&line, program(&["cat"])).await.split();
    for _ in 0..100 {
        writer.line(b"others go on").await.unwrap();
        assert_eq!(next(&mut other).await, out("others go on"));
    }
    assert!(rig.bridge.memory_peak_kib() < 32 << 10);
    drop(reader);
    rig.end().await;
}

#[tokio::test]
async fn a_grandchild_that_holds_the_pipe_delays_the_end_only_for_a_moment() {
    let rig = Rig::start();
    let line = rig.line().await;
    let (mut reader, _writer) = open(&line, shell("sleep 1000 & echo $!; exit 3"))
        .await
        .split();
    let grandchild = next_line(&mut reader).await.parse().unwrap();
    assert_eq!(rest(&mut reader).await, [exited(3)]);
    eventually("the grandchild is gone", || !is_alive(grandchild)).await;

    // One that has left the group is not ours to kill where we are not PID 1; it holds up nobody.
    let script = "setsid sleep 1000 & echo $!; exit 4";
    let (mut reader, _writer) = open(&line, shell(script)).await.split();
    let stray: i32 = next_line(&mut reader).await.parse().unwrap();
    assert_eq!(rest(&mut reader).await, [exited(4)]);
    let stray = rustix::process::Pid::from_raw(stray).unwrap();
    rustix::process::kill_process(stray, rustix::process::Signal::KILL).unwrap();
    rig.end().await;
}

#[tokio::test]
async fn too_many_streams_are_refused_before_they_are_opened() {
    let rig = Rig::start();
    let line = rig.line().await;
    let mut processes = Vec::new();
    for _ in 0..domain::wire::HOST_STREAMS_MAX {
        processes.push(open(&line, program(&["cat"])).await);
    }
    let refused = soon(line.open_process(program(&["cat"]))).await;
    assert!(
        matches!(refused, Err(LineError::TooManyStreams { .. })),
        "{refused:?}"
    );
    processes.pop();
    open(&line, program(&["cat"])).await;
    rig.end().await;
}

#[tokio::test]
async fn what_is_no_line_is_not_sent() {
    let rig = Rig::start();
    let line = rig.line().await;
    let (mut reader, mut writer) = open(&line, program(&["cat"])).await.split();
    assert!(matches!(
        writer.line(b"a\nb").await,
        Err(LineError::LineBreak)
    ));
    let long = vec![b'x'; domain::wire::LINE_BYTES_MAX + 1];
    assert!(matches!(
        writer.line(&long).await,
        Err(LineError::LineTooLong { .. })
    ));
    writer.line(b"c").await.unwrap();
    assert_eq!(next(&mut reader).await, out("c"));
    rig.end().await;
}
