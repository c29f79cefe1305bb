//! What came of the parts.

use std::{fmt, ops::AddAssign, process::ExitStatus, time::Duration};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Passed,
    Failed,
    /// It could not run here; outside CI that is not a failure.
    Missing,
}

impl From<ExitStatus> for Outcome {
    fn from(status: ExitStatus) -> Self {
        if status.success() {
            Self::Passed
        } else {
            Self::Failed
        }
    }
}

/// Tests, by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) passed: u64,
    pub(super) failed: u64,
}

impl Counts {
    /// Reads what Rust's harness or Vitest says at the end.
    pub(super) fn parse(line: &str) -> Option<Self> {
        Self::parse_rust(line).or_else(|| Self::parse_vitest(line))
    }

    /// Reads `test result: ok. 3 passed; 0 failed; …`.
    fn parse_rust(line: &str) -> Option<Self> {
        let (_, rest) = line
            .trim()
            .strip_prefix("test result: ")?
            .split_once(". ")?;
        let number = |word: &str| {
            let mut parts = rest.split(';').map(str::trim);
            parts.find_map(|it| it.strip_suffix(word)?.trim().parse().ok())
        };
        Some(Self {
            passed: number("passed")?,
            failed: number("failed")?,
        })
    }

    /// Reads `Tests  1 failed | 3 passed (4)`, where what is none is left out.
    fn parse_vitest(line: &str) -> Option<Self> {
        let rest = line.trim().strip_prefix("Tests ")?;
        let (rest, all) = rest.trim().strip_suffix(')')?.rsplit_once(" (")?;
        all.parse::<u64>().ok()?;
        let number = |word: &str| {
            let mut parts = rest.split('|').map(str::trim);
            parts.find_map(|it| it.strip_suffix(word)?.trim().parse().ok())
        };
        Some(Self {
            passed: number("passed").unwrap_or(0),
            failed: number("failed").unwrap_or(0),
        })
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.passed += more.passed;
        self.failed += more.failed;
    }
}

/// One line per part, and the sum last.
#[derive(Debug, Default)]
pub(super) struct Summary {
    parts: Vec<(&'static str, Outcome, Counts, Duration)>,
}

impl Summary {
    pub(super) fn add(
        &mut self,
        name: &'static str,
        outcome: Outcome,
        mut counts: Counts,
        took: Duration,
    ) {
        // What fails without a test that fails (it does not compile, it was killed) is one failure.
        if outcome == Outcome::Failed {
            counts.failed = counts.failed.max(1);
        }
        self.parts.push((name, outcome, counts, took));
    }

    pub(super) fn failed(&self) -> u64 {
        self.parts.iter().map(|it| it.2.failed).sum()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = Counts::default();
        for (name, outcome, counts, took) in &self.parts {
            let outcome = match outcome {
                Outcome::Passed => "ok",
                Outcome::Failed => "FAILED",
                Outcome::Missing => "NOT RUN",
            };
            write!(f, "{name:<8} {outcome:<8} {:>5} s", took.as_secs())?;
            if *counts != Counts::default() {
                write!(f, "   {} passed, {} failed", counts.passed, counts.failed)?;
            }
            writeln!(f)?;
            all += *counts;
        }
        writeln!(f, "{} passed, {} failed", all.passed, all.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, Outcome, Summary};
    use std::time::Duration;

    #[test]
    fn the_harnesses_own_lines_are_read_and_no_others() {
        let line = "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 1 filtered out; finished in 0.1s";
        assert_eq!(
            Counts::parse(line),
            Some(Counts {
                passed: 12,
                failed: 3
            })
        );
        assert_eq!(
            Counts::parse("test result of mine: ok. 1 passed; 0 failed"),
            None
        );
        assert_eq!(Counts::parse("test it ... ok"), None);
        let counts = |passed, failed| Some(Counts { passed, failed });
        let check = |line, expected| assert_eq!(Counts::parse(line), expected, "{line}");
        check("      Tests  79 passed (79)", counts(79, 0));
        check(
            "Tests  2 failed | 77 passed | 1 skipped (80)",
            counts(77, 2),
        );
        check(" Test Files  16 passed (16)", None);
        check("Tests of mine passed (well)", None);
    }

    #[test]
    fn a_part_that_fails_without_a_test_is_a_failure() {
        let mut summary = Summary::default();
        let second = Duration::from_secs(1);
        summary.add("clippy", Outcome::Failed, Counts::default(), second);
        summary.add(
            "tests",
            Outcome::Passed,
            Counts {
                passed: 7,
                failed: 0,
            },
            second,
        );
        summary.add("e2e", Outcome::Missing, Counts::default(), second);
        assert_eq!(summary.failed(), 1);
        assert!(
            summary.to_string().ends_with("\n7 passed, 1 failed\n"),
            "{summary}"
        );
    }
}
