/// Capacity that a queue keeps when it is empty, in bytes.
const KEPT_BYTES_MAX: usize = 128 << 10;

/// Bytes that wait to be written, in order.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    bytes: Vec<u8>,
    // Invariant: at most `bytes.len()`, and 0 where `bytes` is empty.
    written: usize,
}

impl Queue {
    pub(crate) fn pending(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.written
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns where to append to.
    pub(crate) fn back(&mut self) -> &mut Vec<u8> {
        if self.written != 0 && self.len() <= self.written {
            self.bytes.drain(..self.written);
            self.written = 0;
        }
        &mut self.bytes
    }

    /// Takes the first `len` bytes away, which have been written.
    pub(crate) fn advance(&mut self, len: usize) {
        self.written += len;
        if self.is_empty() {
            self.clear();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.written = 0;
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES_MAX);
    }
}
