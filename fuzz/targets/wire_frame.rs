//! Frames and messages as a sandbox may send them: what is read is read again from what it is
//! written as, and nothing else happens but an error.

#![no_main]

use domain::wire::{
    BridgeOpen, EgressReply, FRAME_HEADER_BYTES, FrameHeader, Health, HostOpen, LINE_BYTES_MAX,
    decode_message, message_len,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    frames(bytes);
    if let Some((header, rest)) = bytes.split_first_chunk() {
        message_len(*header).ok();
        decode_message::<BridgeOpen>(rest).ok();
        decode_message::<EgressReply>(rest).ok();
        decode_message::<Health>(rest).ok();
        decode_message::<HostOpen>(rest).ok();
    }
});

fn frames(mut bytes: &[u8]) {
    while let Some((header, rest)) = bytes.split_first_chunk::<FRAME_HEADER_BYTES>() {
        let Ok(decoded) = FrameHeader::decode(*header, LINE_BYTES_MAX) else {
            return;
        };
        let Some((payload, rest)) = rest.split_at_checked(decoded.payload_len()) else {
            return;
        };
        if let Ok(frame) = decoded.decode_payload(payload) {
            let mut again = Vec::new();
            frame.encode(&mut again);
            let (header, payload) = again.split_first_chunk().expect("a frame has a header");
            let header = FrameHeader::decode(*header, LINE_BYTES_MAX).expect("it was read before");
            assert_eq!(header.decode_payload(payload).as_ref(), Ok(&frame));
        }
        bytes = rest;
    }
}
