//! Times, what they come to, and the table that they are printed in.

use std::time::{Duration, Instant};

use crate::Failure;

/// Calls of one way before it is the next one's turn.
const TURN: usize = 100;

/// The table, printed row by row as it is measured.
pub(crate) struct Figures;

/// What all measured times of one way come to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// The median of the best turn: what a machine without anything else to do would show.
    pub(crate) best: Duration,
}

/// Whether a figure is within its budget.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Met {
    Yes,
    No,
    /// The medians miss it, those of the best turns don't.
    OnlyBest,
    /// Nothing is asked of it: it is there to compare with.
    Told,
}

impl Figures {
    pub(crate) fn begin() -> Self {
        println!("| what | budget | measured | met |\n|---|---|---|---|");
        Self
    }

    pub(crate) fn row(&mut self, what: &str, budget: &str, measured: &str, met: Met) {
        let met = match met {
            Met::Yes => "yes",
            Met::No => "**no**",
            Met::OnlyBest => "only in the best turns",
            Met::Told => "",
        };
        println!("| {what} | {budget} | {measured} | {met} |");
    }

    /// A row for what is at most `max`.
    pub(crate) fn at_most(&mut self, what: &str, max: f64, unit: &str, measured: f64, note: &str) {
        let shown = format!("{measured:.2} {unit}{note}");
        self.row(
            what,
            &format!("≤ {max} {unit}"),
            &shown,
            Met::of(measured <= max),
        );
    }

    /// A row for a time that is at most `max`, by its median.
    pub(crate) fn time_at_most(&mut self, what: &str, max: Duration, times: &Times) {
        let met = Met::of_two(times.p50 <= max, times.best <= max);
        self.row(what, &format!("≤ {}", show(max)), &times.show(), met);
    }

    /// A row for what one way takes longer than another.
    pub(crate) fn added(&mut self, what: &str, max: Option<Duration>, of: &Times, to: &Times) {
        let p50 = of.p50.saturating_sub(to.p50);
        let best = of.best.saturating_sub(to.best);
        let shown = format!(
            "+ {} (best turns + {}): {} against {}",
            show(p50),
            show(best),
            of.show(),
            to.show()
        );
        match max {
            Some(max) => {
                let met = Met::of_two(p50 <= max, best <= max);
                self.row(what, &format!("+ ≤ {}", show(max)), &shown, met);
            }
            None => self.row(what, "", &shown, Met::Told),
        }
    }

    /// A row for how many times as long one way takes as another.
    pub(crate) fn ratio(&mut self, what: &str, max: f64, note: &str, of: &Times, to: &Times) {
        let p50 = of.p50.as_secs_f64() / to.p50.as_secs_f64();
        let best = of.best.as_secs_f64() / to.best.as_secs_f64();
        let shown = format!(
            "{p50:.2} × (best turns {best:.2} ×): {} against {}",
            of.show(),
            to.show()
        );
        let met = Met::of_two(p50 <= max, best <= max);
        self.row(what, &format!("≤ {max} ×{note}"), &shown, met);
    }
}

impl Met {
    pub(crate) const fn of(is_met: bool) -> Self {
        match is_met {
            true => Self::Yes,
            false => Self::No,
        }
    }

    const fn of_two(median: bool, best: bool) -> Self {
        match (median, best) {
            (true, _) => Self::Yes,
            (false, true) => Self::OnlyBest,
            (false, false) => Self::No,
        }
    }
}

impl Times {
    /// Sums up times that were taken one at a time; the best is the shortest then.
    pub(crate) fn of_single(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self {
            p50: times[times.len() / 2],
            p99: times[times.len() * 99 / 100],
            best: times[0],
        }
    }

    pub(crate) fn show(&self) -> String {
        let [p50, p99, best] = [self.p50, self.p99, self.best].map(show);
        format!("p50 {p50}, p99 {p99}, best {best}")
    }
}

/// One way to do a thing once.
pub(crate) type Way<'a> = &'a mut dyn FnMut() -> Result<(), Failure>;

/// Does each of the ways `rounds` times, a turn at a time.
pub(crate) fn take_turns<const N: usize>(
    rounds: usize,
    mut ways: [Way<'_>; N],
) -> Result<[Times; N], Failure> {
    let mut all: [Vec<Duration>; N] = [const { Vec::new() }; N];
    let mut best = [Duration::MAX; N];
    // The first turn is for caches and connections.
    for turn in 0..=rounds.div_ceil(TURN) {
        for (index, way) in ways.iter_mut().enumerate() {
            let mut times = Vec::with_capacity(TURN);
            for _ in 0..TURN {
                let began = Instant::now();
                way()?;
                times.push(began.elapsed());
            }
            if turn == 0 {
                continue;
            }
            times.sort_unstable();
            best[index] = best[index].min(times[TURN / 2]);
            all[index].extend(times);
        }
    }
    let mut best = best.into_iter();
    Ok(all.map(|times| Times {
        best: best.next().expect("as many as ways"),
        ..Times::of_single(times)
    }))
}

pub(crate) fn show(time: Duration) -> String {
    let us = time.as_secs_f64() * 1e6;
    match us {
        ..1000.0 => format!("{us:.0} µs"),
        ..10_000.0 => format!("{:.2} ms", us / 1e3),
        _ => format!("{:.0} ms", us / 1e3),
    }
}
