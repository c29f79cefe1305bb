//! The log of an install's step: its first and its last half are kept, and what was cut is counted.

/// The longest log of a step that is kept, in bytes.
pub const STEP_LOG_BYTES_MAX: usize = 256 << 10;
const HALF: usize = STEP_LOG_BYTES_MAX / 2;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StepLog {
    // Invariant: at most HALF bytes.
    pub(crate) head: String,
    // Invariant: at most HALF bytes, and empty while there is room in `head`.
    pub(crate) tail: String,
    /// Bytes between the two that are gone.
    pub(crate) cut_bytes: u64,
}

impl StepLog {
    pub(crate) fn append(&mut self, text: &str) {
        let mut rest = text;
        if self.tail.is_empty() && self.cut_bytes == 0 {
            let (first, second) = rest.split_at(rest.floor_char_boundary(HALF - self.head.len()));
            self.head.push_str(first);
            rest = second;
        }
        let over = (self.tail.len() + rest.len()).saturating_sub(HALF);
        let of_tail = self.tail.ceil_char_boundary(over.min(self.tail.len()));
        let of_rest = rest.ceil_char_boundary(over.saturating_sub(self.tail.len()));
        self.tail.drain(..of_tail);
        self.tail.push_str(&rest[of_rest..]);
        self.cut_bytes += (of_tail + of_rest) as u64;
    }

    /// Returns the log as people read it.
    pub(crate) fn text(&self) -> String {
        match self.cut_bytes {
            0 => format!("{}{}", self.head, self.tail),
            cut => format!("{}\n[… {cut} bytes left out …]\n{}", self.head, self.tail),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_short_log_is_kept_whole() {
        let mut log = StepLog::default();
        log.append("fetching\n");
        log.append("done\n");
        assert_eq!(log.text(), "fetching\ndone\n");
    }

    #[test]
    fn of_a_long_log_head_and_tail_are_kept_and_the_rest_is_counted() {
        let mut log = StepLog::default();
        log.append("first line\n");
        for _ in 0..1_000 {
            log.append(&"x".repeat(1_023));
            log.append("\n");
        }
        log.append("last line\n");
        let text = log.text();
        assert!(text.starts_with("first line\n"));
        assert!(text.ends_with("last line\n"));
        let kept = log.head.len() + log.tail.len();
        assert_eq!(kept as u64 + log.cut_bytes, 11 + 1_000 * 1_024 + 10);
        assert!(text.contains(&format!("[… {} bytes left out …]", log.cut_bytes)));
    }

    proptest! {
        #[test]
        fn no_byte_is_lost_uncounted_and_no_half_grows_over_its_bound(
            parts in proptest::collection::vec(("[a€𝄞]{0,40}", 1_usize..3_000), 0..12)
        ) {
            let mut log = StepLog::default();
            let mut whole = String::new();
            for (part, times) in parts {
                let part = part.repeat(times);
                log.append(&part);
                whole.push_str(&part);
            }
            prop_assert!(log.head.len() <= HALF && log.tail.len() <= HALF);
            prop_assert!(whole.starts_with(&log.head) && whole.ends_with(&log.tail));
            let kept = log.head.len() + log.tail.len();
            prop_assert_eq!(kept as u64 + log.cut_bytes, whole.len() as u64);
        }
    }
}
