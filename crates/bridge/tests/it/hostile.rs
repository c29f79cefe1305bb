//! What comes from a sandbox may be anything. The host goes on.

use std::{sync::Arc, time::Duration};

use domain::wire::{BridgeOpen, FIRST_MESSAGE_TIMEOUT, Frame, encode_message};
use proptest::prelude::*;
use sandbox::line::{Line, LineError};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{Egress, program, soon};

const DATA: u8 = 0;
const WINDOW: u8 = 1;
const PING: u8 = 2;
const SYN: u16 = 1;
const ACK: u16 = 2;
const FIN: u16 = 4;

struct Host {
    line: Line,
    tasks: TaskTracker,
    /// The sandbox's end.
    bridge: DuplexStream,
}

impl Host {
    fn start() -> Self {
        let (host, bridge) = duplex(64 << 10);
        let tasks = TaskTracker::new();
        let egress = Arc::new(Egress::default());
        let line = Line::start(host, egress, &tasks, &CancellationToken::new());
        Self {
            line,
            tasks,
            bridge,
        }
    }

    /// Shows that the line and all of its tasks end.
    async fn end(self) {
        drop(self.bridge);
        soon(self.line.closed()).await;
        self.tasks.close();
        soon(self.tasks.wait()).await;
    }
}

fn header(kind: u8, flags: u16, stream: u32, len: u32) -> Vec<u8> {
    let mut bytes = vec![0, kind];
    bytes.extend(flags.to_be_bytes());
    bytes.extend(stream.to_be_bytes());
    bytes.extend(len.to_be_bytes());
    bytes
}

fn data(flags: u16, stream: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = header(DATA, flags, stream, u32::try_from(body.len()).unwrap());
    bytes.extend(body);
    bytes
}

#[tokio::test]
async fn garbage_ends_the_line() {
    let mut host = Host::start();
    host.bridge.write_all(&[0xff; 100]).await.unwrap();
    soon(host.line.closed()).await;
    let refused = host.line.health(Duration::from_secs(1)).await.unwrap_err();
    assert!(matches!(refused, LineError::Closed { .. }), "{refused}");
    host.end().await;
}

#[tokio::test]
async fn a_frame_of_4_gib_ends_the_line() {
    let mut host = Host::start();
    let frame = header(DATA, SYN, 1, u32::MAX);
    host.bridge.write_all(&frame).await.unwrap();
    soon(host.line.closed()).await;
    host.end().await;
}

#[tokio::test]
async fn ten_thousand_streams_take_no_more_than_a_few() {
    let host = Host::start();
    let (mut read, mut write) = tokio::io::split(host.bridge);
    let reading = async { tokio::io::copy(&mut read, &mut tokio::io::sink()).await };
    let writing = async {
        for stream in 0..10_000 {
            let frame = header(WINDOW, SYN, 2 * stream + 1, 0);
            if write.write_all(&frame).await.is_err() {
                break;
            }
        }
        // One task drives the line, and each stream that waits for its first message is one.
        assert!(host.tasks.len() <= 1 + 2 * domain::wire::EGRESS_STREAMS_MAX);
        write.shutdown().await.ok();
    };
    let (_, ()) = soon(async { tokio::join!(reading, writing) }).await;
    soon(host.line.closed()).await;
    host.tasks.close();
    soon(host.tasks.wait()).await;
}

#[tokio::test(start_paused = true)]
async fn streams_that_say_nothing_are_reset_after_a_while() {
    let mut host = Host::start();
    for stream in 0..10 {
        let frame = header(WINDOW, SYN, 2 * stream + 1, 0);
        host.bridge.write_all(&frame).await.unwrap();
    }
    // The beginning of a message, and no more.
    host.bridge
        .write_all(&data(SYN, 101, &[0, 0, 1]))
        .await
        .unwrap();
    // A length that is not allowed is not waited for.
    host.bridge
        .write_all(&data(SYN, 103, &[255; 4]))
        .await
        .unwrap();
    tokio::time::sleep(FIRST_MESSAGE_TIMEOUT / 2).await;
    assert_eq!(host.tasks.len(), 12);
    tokio::time::sleep(FIRST_MESSAGE_TIMEOUT).await;
    assert_eq!(host.tasks.len(), 1);
    assert!(!host.line.is_closed());
    host.end().await;
}

#[tokio::test]
async fn a_flood_of_pings_that_nobody_reads_the_answers_of_is_held_back() {
    let mut host = Host::start();
    let ping = header(PING, SYN, 0, 7);
    let flood = async { while host.bridge.write_all(&ping).await.is_ok() {} };
    let flooded = tokio::time::timeout(Duration::from_millis(200), flood).await;
    assert!(flooded.is_err());
    host.end().await;
}

#[tokio::test]
async fn a_process_that_is_none_is_an_error_for_the_one_who_asked() {
    for (said, is_answer) in [
        (&b"\xff\xff\xff\xff\xff"[..], true),
        (&[3, 255, 255, 255, 255], true),
        (&[17, 0, 0, 0, 0], true),
        (&[1, 0, 0, 0, 2, 0, 0], true),
        (&[2, 0, 0, 0, 1, 0xff], true),
        (&[1, 0], false),
        (&[], false),
    ] {
        let mut host = Host::start();
        let answer = async {
            // The request has to come first, since the stream is there only then.
            soon(host.bridge.read_exact(&mut [0; 12])).await.unwrap();
            let frame = data(ACK | FIN, 2, said);
            host.bridge.write_all(&frame).await.unwrap();
        };
        let open = host.line.open_process(program(&["cat"]));
        let (refused, ()) = soon(async { tokio::join!(open, answer) }).await;
        match refused {
            Err(LineError::Answer { .. }) if is_answer => {}
            Err(LineError::StreamReset) if !is_answer => {}
            other => panic!("{said:?}: {other:?}"),
        }
        host.end().await;
    }
}

#[tokio::test]
async fn lines_over_the_bound_that_was_set_are_refused_by_the_host_too() {
    let mut host = Host::start();
    let mut said = Vec::new();
    Frame::Started { pid: 7 }.encode(&mut said);
    Frame::Stdout(b"fine").encode(&mut said);
    Frame::Stdout(&[b'x'; 2_000]).encode(&mut said);
    let answer = async {
        soon(host.bridge.read_exact(&mut [0; 12])).await.unwrap();
        host.bridge.write_all(&data(ACK, 2, &said)).await.unwrap();
    };
    let mut open = program(&["cat"]);
    open.line_bytes_max = 1_000;
    let (process, ()) = soon(async { tokio::join!(host.line.open_process(open), answer) }).await;
    let (mut reader, writer) = process.unwrap().split();
    assert_eq!(reader.next().await.unwrap(), Some(crate::out("fine")));
    for _ in 0..2 {
        let refused = reader.next().await;
        assert!(
            matches!(refused, Err(LineError::Answer { .. })),
            "{refused:?}"
        );
    }
    drop((reader, writer));
    host.end().await;
}

/// Pieces of what a bridge might say, in any order.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let id = prop_oneof![0_u32..8, any::<u32>()];
    let len = prop_oneof![0_u32..64, any::<u32>()];
    let open = BridgeOpen::Egress {
        host: "down.test".to_owned(),
        port: 1,
    };
    let open = encode_message(&open).unwrap();
    let body = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..64),
        Just(open),
        Just(vec![1, 0, 0, 0, 4, 0, 0, 0, 1, 3, 0, 0, 0, 1, b'x']),
    ];
    prop_oneof![
        4 => (0_u16..16, 0_u32..8, body).prop_map(|(flags, id, body)| data(flags, id, &body)),
        3 => (0_u8..5, 0_u16..16, id, len).prop_map(|(kind, flags, id, len)| header(kind, flags, id, len)),
        1 => proptest::collection::vec(any::<u8>(), 0..40),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_that_is_said_harms_the_host(pieces in proptest::collection::vec(piece(), 0..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let host = Host::start();
            let (mut read, mut write) = tokio::io::split(host.bridge);
            let saying = async {
                for piece in pieces {
                    if write.write_all(&piece).await.is_err() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
                write.shutdown().await.ok();
            };
            let reading = async {
                tokio::io::copy(&mut read, &mut tokio::io::sink()).await.ok();
            };
            let asking = async {
                let Ok(process) = host.line.open_process(program(&["cat"])).await else {
                    return;
                };
                let (mut reader, mut writer) = process.split();
                writer.line(b"ping").await.ok();
                while let Ok(Some(_)) = reader.next().await {}
            };
            soon(async { tokio::join!(saying, reading, asking) }).await;
            soon(host.line.closed()).await;
            host.tasks.close();
            soon(host.tasks.wait()).await;
        });
    }
}
