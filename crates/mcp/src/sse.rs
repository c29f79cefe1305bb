//! Server-sent events (HTML Standard, "Server-sent events"), as far as MCP uses them.

use bytes::Bytes;

/// Returns the bytes of an event that holds one message. A message has no end of line in it.
pub fn event(message: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(message.len() + 24);
    out.extend_from_slice(b"event: message\ndata: ");
    out.extend_from_slice(message);
    out.extend_from_slice(b"\n\n");
    out.into()
}

/// What keeps a connection from being taken for dead; readers pass over it.
pub const KEEP_ALIVE: &[u8] = b":\n\n";

/// Puts a stream of bytes together to events, whatever the pieces are that it comes in.
#[derive(Debug)]
pub struct Reader {
    event_bytes_max: usize,
    // Invariant: at most event_bytes_max, an unfinished line.
    line: Vec<u8>,
    // Invariant: at most event_bytes_max.
    data: Vec<u8>,
    has_data: bool,
    event: Vec<u8>,
    after_cr: bool,
}

/// An event is longer than it may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an event of more than {event_bytes_max} bytes")]
pub struct EventTooLong {
    pub event_bytes_max: usize,
}

impl Reader {
    pub fn new(event_bytes_max: usize) -> Self {
        Self {
            event_bytes_max,
            line: Vec::new(),
            data: Vec::new(),
            has_data: false,
            event: Vec::new(),
            after_cr: false,
        }
    }

    /// Takes the next piece and returns the data of the `message` events that end in it.
    pub fn push(&mut self, piece: &[u8]) -> Result<Vec<Bytes>, EventTooLong> {
        let mut messages = Vec::new();
        let mut rest = piece;
        while let Some(at) = memchr::memchr2(b'\n', b'\r', rest) {
            let (part, end) = (&rest[..at], rest[at]);
            rest = &rest[at + 1..];
            let is_second_half = end == b'\n' && self.after_cr && part.is_empty();
            self.after_cr = end == b'\r';
            if is_second_half {
                continue;
            }
            self.keep(part)?;
            let line = std::mem::take(&mut self.line);
            if let Some(message) = self.end_line(&line)? {
                messages.push(message);
            }
        }
        if !rest.is_empty() {
            self.after_cr = false;
        }
        self.keep(rest)?;
        Ok(messages)
    }

    fn keep(&mut self, part: &[u8]) -> Result<(), EventTooLong> {
        if self.event_bytes_max < self.line.len() + self.data.len() + part.len() {
            return Err(EventTooLong {
                event_bytes_max: self.event_bytes_max,
            });
        }
        self.line.extend_from_slice(part);
        Ok(())
    }

    fn end_line(&mut self, line: &[u8]) -> Result<Option<Bytes>, EventTooLong> {
        if line.is_empty() {
            let is_message = self.event.is_empty() || self.event == b"message";
            let data = std::mem::take(&mut self.data);
            let ended = self.has_data && is_message && !data.is_empty();
            self.has_data = false;
            self.event.clear();
            return Ok(ended.then(|| data.into()));
        }
        let colon = memchr::memchr(b':', line).unwrap_or(line.len());
        let (field, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.has_data = true;
                self.data.extend_from_slice(value);
            }
            b"event" => self.event = value.to_vec(),
            _ => {}
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
