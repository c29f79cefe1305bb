use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

/// How far the stopping of a process has come: its standard input ends, then comes `SIGTERM`, then
/// `SIGKILL`.
#[derive(Debug)]
pub(crate) struct Stop {
    grace: Duration,
    step: Step,
    is_hard: bool,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Runs,
    TermAt(Instant),
    KillAt(Instant),
    Killed,
}

impl Stop {
    pub(crate) fn new(grace: Duration) -> Self {
        Self {
            grace,
            step: Step::Runs,
            is_hard: false,
        }
    }

    /// Begins, if it has not: `SIGTERM` comes after the grace.
    pub(crate) fn begin(&mut self, now: Instant) {
        if let Step::Runs = self.step {
            self.step = Step::TermAt(now + self.grace);
        }
    }

    /// Begins without the first grace: `SIGTERM` is due now.
    pub(crate) fn begin_hard(&mut self, now: Instant) {
        self.is_hard = true;
        if let Step::Runs | Step::TermAt(_) = self.step {
            self.step = Step::TermAt(now);
        }
    }

    pub(crate) fn has_begun(&self) -> bool {
        !matches!(self.step, Step::Runs)
    }

    pub(crate) fn is_hard(&self) -> bool {
        self.is_hard
    }

    pub(crate) fn next_at(&self) -> Option<Instant> {
        match self.step {
            Step::Runs | Step::Killed => None,
            Step::TermAt(at) | Step::KillAt(at) => Some(at),
        }
    }

    /// Returns the signal that is due, once.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Signal> {
        match self.step {
            Step::TermAt(at) if at <= now => {
                self.step = Step::KillAt(now + self.grace);
                Some(Signal::TERM)
            }
            Step::KillAt(at) if at <= now => {
                self.step = Step::Killed;
                Some(Signal::KILL)
            }
            Step::Runs | Step::TermAt(_) | Step::KillAt(_) | Step::Killed => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(1);

    #[test]
    fn signals_come_one_grace_apart() {
        let now = Instant::now();
        let mut stop = Stop::new(GRACE);
        assert_eq!(stop.due(now + 9 * GRACE), None);
        stop.begin(now);
        assert_eq!(stop.due(now), None);
        assert_eq!(stop.due(now + GRACE), Some(Signal::TERM));
        assert_eq!(stop.due(now + GRACE), None);
        // A second wish to stop changes nothing.
        stop.begin(now + GRACE);
        assert_eq!(stop.due(now + 2 * GRACE), Some(Signal::KILL));
        assert_eq!(stop.due(now + 9 * GRACE), None);
        assert_eq!(stop.next_at(), None);
    }

    #[test]
    fn a_hard_stop_leaves_out_the_first_grace() {
        let now = Instant::now();
        let mut stop = Stop::new(GRACE);
        stop.begin(now);
        stop.begin_hard(now);
        assert_eq!(stop.due(now), Some(Signal::TERM));
        stop.begin_hard(now);
        assert_eq!(stop.due(now), None);
        assert_eq!(stop.due(now + GRACE), Some(Signal::KILL));
    }
}
