use proptest::prelude::*;

use super::*;

fn round_trip(frame: &Frame<'_>) {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes);
    let (header, payload) = bytes.split_first_chunk().unwrap();
    let header = FrameHeader::decode(*header, LINE_BYTES_MAX).unwrap();
    assert_eq!(header.payload_len(), payload.len());
    assert_eq!(header.decode_payload(payload).unwrap(), *frame);
}

#[test]
fn every_frame_is_read_back() {
    for frame in [
        Frame::Started { pid: 7 },
        Frame::StartFailed {
            reason: "no such file",
        },
        Frame::Stdout(b"{}"),
        Frame::Stderr(b"\xff"),
        Frame::LineTooLong { bytes: u64::MAX },
        Frame::Exited(Exit {
            code: Some(-1),
            signal: None,
        }),
        Frame::Exited(Exit {
            code: None,
            signal: Some(9),
        }),
        Frame::Stdin(b""),
        Frame::StdinEnd,
        Frame::Stop,
    ] {
        round_trip(&frame);
    }
}

#[test]
fn a_line_over_its_bound_is_refused_by_its_header_alone() {
    let header = [STDOUT, 0, 0, 4, 1];
    let refused = FrameHeader::decode(header, 1 << 10).unwrap_err();
    assert_eq!(
        refused,
        WireError::FrameLength {
            kind: STDOUT,
            len: 1025,
            max: 1024
        }
    );
    assert!(message_len([0xff; 4]).is_err());
    assert!(message_len([0; 4]).is_err());
}

#[test]
fn secrets_in_an_environment_are_not_printed() {
    let open = ProcessOpen {
        argv: vec!["server".to_owned()],
        env: vec![("TOKEN".to_owned(), "hunter2".to_owned())],
        cwd: "/".to_owned(),
        line_bytes_max: 1,
        proxy: false,
        stop_grace_ms: 1,
    };
    let text = format!("{:?}", HostOpen::Process(open));
    assert!(
        text.contains("TOKEN") && !text.contains("hunter2"),
        "{text}"
    );
}

proptest! {
    #[test]
    fn whatever_arrives_is_a_frame_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Some((header, payload)) = bytes.split_first_chunk() {
            let Ok(header) = FrameHeader::decode(*header, 1 << 20) else { return Ok(()) };
            let Some(payload) = payload.get(..header.payload_len()) else { return Ok(()) };
            if let Ok(frame) = header.decode_payload(payload) {
                let mut again = Vec::new();
                frame.encode(&mut again);
                prop_assert_eq!(&again, &bytes[..again.len()]);
            }
        }
    }
}
