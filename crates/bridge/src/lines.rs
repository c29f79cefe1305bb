use domain::wire::{Frame, STDERR_LINE_BYTES_MAX};
use memchr::memchr;

/// Capacity for an unfinished line that is kept when the line has ended, in bytes.
const KEPT_BYTES_MAX: usize = 64 << 10;

/// Makes frames of what a process writes: one for each line.
#[derive(Debug)]
pub(crate) struct Lines {
    output: Output,
    /// The beginning of a line whose end has not come.
    // Invariant: at most as long as a line may be; empty where `dropped` is not 0.
    partial: Vec<u8>,
    /// How long the line is so far that is over its bound; 0 where none is.
    dropped: u64,
}

#[derive(Debug, Clone, Copy)]
enum Output {
    Stdout { line_bytes_max: usize },
    Stderr,
}

impl Lines {
    /// Lines of standard output. One over `line_bytes_max` is counted and not kept.
    pub(crate) fn of_stdout(line_bytes_max: usize) -> Self {
        Self::of(Output::Stdout { line_bytes_max })
    }

    /// Lines of standard error. One over its bound becomes several.
    pub(crate) fn of_stderr() -> Self {
        Self::of(Output::Stderr)
    }

    fn of(output: Output) -> Self {
        Self {
            output,
            partial: Vec::new(),
            dropped: 0,
        }
    }

    /// Takes what the process has written and appends the frames that are complete by it to `out`.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while let Some(at) = memchr(b'\n', bytes) {
            self.extend(&bytes[..at], out, true);
            bytes = &bytes[at + 1..];
        }
        if !bytes.is_empty() {
            self.extend(bytes, out, false);
        }
    }

    /// Appends a frame for what came last, if that was a line without an end.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        if !self.partial.is_empty() || self.dropped != 0 {
            self.extend(&[], out, true);
        }
    }

    fn extend(&mut self, bytes: &[u8], out: &mut Vec<u8>, is_end: bool) {
        match self.output {
            Output::Stdout { line_bytes_max } => {
                self.extend_stdout(bytes, out, is_end, line_bytes_max);
            }
            Output::Stderr => self.extend_stderr(bytes, out, is_end),
        }
    }

    fn extend_stdout(&mut self, bytes: &[u8], out: &mut Vec<u8>, is_end: bool, max: usize) {
        if self.dropped != 0 || max < self.partial.len() + bytes.len() {
            self.dropped += (self.partial.len() + bytes.len()) as u64;
            self.partial = Vec::new();
            if is_end {
                let bytes = std::mem::take(&mut self.dropped);
                Frame::LineTooLong { bytes }.encode(out);
            }
        } else if is_end && self.partial.is_empty() {
            Frame::Stdout(bytes).encode(out);
        } else {
            self.partial.extend_from_slice(bytes);
            if is_end {
                Frame::Stdout(&self.partial).encode(out);
                self.forget_partial();
            }
        }
    }

    fn extend_stderr(&mut self, mut bytes: &[u8], out: &mut Vec<u8>, is_end: bool) {
        while STDERR_LINE_BYTES_MAX < self.partial.len() + bytes.len() {
            let (piece, rest) = bytes.split_at(STDERR_LINE_BYTES_MAX - self.partial.len());
            self.partial.extend_from_slice(piece);
            Frame::Stderr(&self.partial).encode(out);
            self.partial.clear();
            bytes = rest;
        }
        self.partial.extend_from_slice(bytes);
        if is_end {
            Frame::Stderr(&self.partial).encode(out);
            self.forget_partial();
        }
    }

    fn forget_partial(&mut self) {
        self.partial.clear();
        self.partial.shrink_to(KEPT_BYTES_MAX);
    }
}

#[cfg(test)]
mod tests;
