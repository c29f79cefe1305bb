//! The bridge alone: its size, its memory, what it adds.

use std::{fs, path::Path, time::Duration};

use e2e::command;

use crate::{
    Built, Failure,
    figures::{Figures, Met, Times},
};

const SIZE_MAX_MB: f64 = 1.6;
const RSS_MAX_MB: f64 = 2.0;
const ADDED_MAX: [(bool, Duration); 2] = [
    (false, Duration::from_micros(40)),
    (true, Duration::from_micros(25)),
];

pub(crate) fn sizes(built: &Built, figures: &mut Figures) -> Result<(), Failure> {
    let size = |path: &Path| fs::metadata(path).map(|it| it.len() as f64 / 1e6);
    let bridge = size(&built.bridge)?;
    figures.at_most("bridge, on disk", SIZE_MAX_MB, "MB", bridge, "");
    let program = format!("{:.1} MB", size(&e2e::archestra())?);
    figures.row("program, on disk", "", &program, Met::Told);
    Ok(())
}

pub(crate) fn latency(built: &Built, figures: &mut Figures) -> Result<(), Failure> {
    for (is_pinned, max) in ADDED_MAX {
        let mut command = match is_pinned {
            true => command("taskset"),
            false => command(&built.line_latency),
        };
        if is_pinned {
            command.args(["-c", "0"]).arg(&built.line_latency);
        }
        let output = command.arg(&built.bridge).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = |name: &str| -> Result<Vec<&str>, Failure> {
            let found = text.lines().find_map(|it| it.strip_prefix(name));
            let found = found.ok_or_else(|| format!("`line_latency` says nothing of `{name}`"))?;
            Ok(found.split_whitespace().collect())
        };
        let times = |name: &str| -> Result<Times, Failure> {
            match line(name)?.as_slice() {
                [p50, p99, best] => Ok(Times {
                    p50: duration(p50)?,
                    p99: duration(p99)?,
                    best: duration(best)?,
                }),
                other => Err(format!("{other:?} instead of three times").into()),
            }
        };
        let how = if is_pinned { ", pinned" } else { "" };
        figures.added(
            &format!("64 B to a process and back, line and bridge against a direct pipe{how}"),
            Some(max),
            &times("line and bridge")?,
            &times("directly")?,
        );
        if is_pinned {
            let kib: f64 = line("bridge, RSS")?.first().ok_or("a figure")?.parse()?;
            figures.at_most("bridge, memory", RSS_MAX_MB, "MB", kib * 1024.0 / 1e6, "");
        }
    }
    Ok(())
}

/// Reads what `{:?}` makes of a time.
fn duration(text: &str) -> Result<Duration, Failure> {
    let end = text.find(|it: char| !it.is_ascii_digit() && it != '.');
    let (number, unit) = text.split_at(end.ok_or("a unit")?);
    let seconds = match unit {
        "s" => 1.0,
        "ms" => 1e-3,
        "µs" => 1e-6,
        "ns" => 1e-9,
        _ => return Err(format!("`{text}` is no time").into()),
    };
    Ok(Duration::from_secs_f64(number.parse::<f64>()? * seconds))
}
