//! Measures the program against its budgets and prints one table, row by row.
//!
//! ```text
//! cargo xtask bench [TABLE…]     builds what is measured, as it is shipped, and runs this
//!
//! sizes, line    the bridge alone
//! start, memory  the program alone
//! hop, lists     the gateway in front of servers that speak HTTP (`upstream`, in this process)
//! stdio, first   the gateway in front of a server in a container
//! connect        `archestra connect`
//! ```
//!
//! What is compared takes turns in one process, so that what else the machine does hits both;
//! `figures` does that. "Pinned" is one processor for all that take part: it takes the scheduler's
//! choice out, which otherwise decides.
//!
//! Nothing here knows the inside of the program, as in the end-to-end tests.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for people at a terminal"
)]

mod connect;
mod figures;
mod first;
mod hop;
mod line;
mod lists;
mod memory;
mod pin;
mod session;
mod start;
mod stdio;
mod upstream;

use std::{error::Error, path::PathBuf, process::ExitCode};

use crate::figures::Figures;

type Failure = Box<dyn Error>;

/// What `cargo xtask bench` has built besides the program.
struct Built {
    bridge: PathBuf,
    line_latency: PathBuf,
}

/// One group of rows: its name on the command line, and what measures it.
type Table = (
    &'static str,
    fn(&Built, &mut Figures) -> Result<(), Failure>,
);

const TABLES: &[Table] = &[
    ("sizes", line::sizes),
    ("line", line::latency),
    ("start", start::measure),
    ("memory", memory::measure),
    ("stdio", stdio::measure),
    ("hop", hop::measure),
    ("lists", lists::measure),
    ("first", first::measure),
    ("connect", connect::measure),
];

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("bench: {err}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Vec<String>) -> Result<(), Failure> {
    let [bridge, line_latency, names @ ..] = args.as_slice() else {
        return Err("give the paths of the bridge and of `line_latency`, then tables".into());
    };
    let built = Built {
        bridge: bridge.into(),
        line_latency: line_latency.into(),
    };
    if let Some(name) = names
        .iter()
        .find(|name| TABLES.iter().all(|it| it.0 != **name))
    {
        let all: Vec<&str> = TABLES.iter().map(|it| it.0).collect();
        return Err(format!("there is no table `{name}`; there are {}", all.join(", ")).into());
    }
    println!("{}\n", pin::machine());
    let mut figures = Figures::begin();
    let mut failed = Vec::new();
    for (name, measure) in TABLES {
        if !names.is_empty() && !names.iter().any(|it| it == name) {
            continue;
        }
        eprintln!("measuring `{name}`");
        // The others can be measured all the same.
        if let Err(err) = measure(&built, &mut figures) {
            eprintln!("`{name}` could not be measured: {err}");
            failed.push(*name);
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(format!("not measured: {}", failed.join(", ")).into()),
    }
}
