/// Puts the pieces of a stream together to lines. A line ends in a line feed, with or without a
/// carriage return.
#[derive(Debug)]
pub(super) struct Lines {
    line_bytes_max: usize,
    // Invariant: an unfinished line of at most line_bytes_max.
    rest: Vec<u8>,
    at_start: bool,
}

/// A line is longer than it may be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LineTooLong;

impl Lines {
    pub(super) const fn new(line_bytes_max: usize) -> Self {
        Self {
            line_bytes_max,
            rest: Vec::new(),
            at_start: true,
        }
    }

    /// Returns the end of the first line in `piece`, after its line feed. What comes before it is
    /// the line, with what was kept.
    pub(super) fn next<'a>(
        &mut self,
        piece: &mut &'a [u8],
    ) -> Result<Option<Vec<u8>>, LineTooLong> {
        let whole: &'a [u8] = piece;
        let (part, is_whole) = match whole.iter().position(|it| *it == b'\n') {
            Some(at) => {
                *piece = &whole[at + 1..];
                (&whole[..at], true)
            }
            None => {
                *piece = &[];
                (whole, false)
            }
        };
        if self.line_bytes_max < self.rest.len() + part.len() {
            return Err(LineTooLong);
        }
        self.rest.extend_from_slice(part);
        Ok(is_whole.then(|| self.take()))
    }

    /// Returns what is left at the end of the stream.
    pub(super) fn last(&mut self) -> Vec<u8> {
        self.take()
    }

    fn take(&mut self) -> Vec<u8> {
        let mut line = std::mem::take(&mut self.rest);
        if line.ends_with(b"\r") {
            line.pop();
        }
        if std::mem::take(&mut self.at_start) && line.starts_with("\u{feff}".as_bytes()) {
            line.drain(.."\u{feff}".len());
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::{LineTooLong, Lines};

    fn read(lines: &mut Lines, mut piece: &[u8]) -> Result<Vec<String>, LineTooLong> {
        let mut out = Vec::new();
        while !piece.is_empty() {
            if let Some(line) = lines.next(&mut piece)? {
                out.push(String::from_utf8(line).unwrap());
            }
        }
        Ok(out)
    }

    #[test]
    fn lines_are_put_together_whatever_they_end_in() {
        let mut lines = Lines::new(10);
        assert_eq!(
            read(&mut lines, b"\xef\xbb\xbfa\r\nb\n\nc\r").unwrap(),
            ["a", "b", ""]
        );
        assert_eq!(read(&mut lines, b"\nd").unwrap(), ["c"]);
        assert_eq!(lines.last(), b"d");
    }

    #[test]
    fn a_line_has_a_bound_and_many_lines_have_none() {
        let mut lines = Lines::new(4);
        assert_eq!(read(&mut lines, b"1234\n1234\n").unwrap().len(), 2);
        assert_eq!(read(&mut lines, b"123"), Ok(Vec::new()));
        assert_eq!(read(&mut lines, b"45"), Err(LineTooLong));
    }
}
