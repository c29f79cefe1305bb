use domain::wire::{FRAME_HEADER_BYTES, Frame, FrameHeader, LINE_BYTES_MAX, WireError};

/// Reads the host's frames from pieces of any size, and passes input on as it comes.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    header: [u8; FRAME_HEADER_BYTES],
    // Invariant: less than `FRAME_HEADER_BYTES`.
    header_len: usize,
    /// How much of a line is still to come; `None` between frames.
    line_left: Option<usize>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item<'a> {
    Stdin(&'a [u8]),
    StdinLineEnd,
    StdinEnd,
    Stop,
}

impl Incoming {
    pub(crate) fn feed(
        &mut self,
        mut bytes: &[u8],
        mut on: impl FnMut(Item<'_>),
    ) -> Result<(), WireError> {
        loop {
            if let Some(left) = self.line_left {
                let (piece, rest) = bytes.split_at(left.min(bytes.len()));
                bytes = rest;
                if !piece.is_empty() {
                    on(Item::Stdin(piece));
                }
                if piece.len() < left {
                    self.line_left = Some(left - piece.len());
                    return Ok(());
                }
                on(Item::StdinLineEnd);
                self.line_left = None;
            }
            let wanted = FRAME_HEADER_BYTES - self.header_len;
            let (piece, rest) = bytes.split_at(wanted.min(bytes.len()));
            bytes = rest;
            self.header[self.header_len..][..piece.len()].copy_from_slice(piece);
            self.header_len += piece.len();
            if piece.len() < wanted {
                return Ok(());
            }
            self.header_len = 0;
            let header = FrameHeader::decode(self.header, LINE_BYTES_MAX)?;
            if header.is_stdin() {
                self.line_left = Some(header.payload_len());
                continue;
            }
            // The host's other frames have no payload, and the bridge's own all have one.
            match header.decode_payload(&[])? {
                Frame::StdinEnd => on(Item::StdinEnd),
                Frame::Stop => on(Item::Stop),
                _ => {
                    return Err(WireError::FrameKind {
                        kind: self.header[0],
                    });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds frames in pieces of `len` bytes.
    fn read(bytes: &[u8], len: usize) -> Result<String, WireError> {
        let mut incoming = Incoming::default();
        let mut text = String::new();
        for piece in bytes.chunks(len) {
            incoming.feed(piece, |item| match item {
                Item::Stdin(bytes) => text.push_str(std::str::from_utf8(bytes).unwrap()),
                Item::StdinLineEnd => text.push('/'),
                Item::StdinEnd => text.push('.'),
                Item::Stop => text.push('!'),
            })?;
        }
        Ok(text)
    }

    #[test]
    fn frames_are_read_however_they_are_cut() {
        let mut bytes = Vec::new();
        for frame in [
            Frame::Stdin(b"one"),
            Frame::Stdin(b""),
            Frame::Stdin(b"three"),
            Frame::StdinEnd,
            Frame::Stop,
        ] {
            frame.encode(&mut bytes);
        }
        for len in 1..=bytes.len() {
            assert_eq!(read(&bytes, len).unwrap(), "one//three/.!");
        }
    }

    #[test]
    fn a_frame_that_only_the_bridge_sends_is_an_error() {
        let mut bytes = Vec::new();
        Frame::Stdout(b"").encode(&mut bytes);
        assert!(read(&bytes, 1).is_err());
        bytes.clear();
        Frame::Started { pid: 1 }.encode(&mut bytes);
        assert!(read(&bytes, 5).is_err());
    }
}
