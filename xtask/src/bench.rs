//! `cargo xtask bench`: what the budgets are measured by. `docs/benchmarks.md` keeps the figures.

use std::{fs, path::Path};

use anyhow::bail;

use crate::{
    cache::Cache,
    command::{cargo, command, find, run},
    program::{self, Profile},
};

/// One table: its name on the command line, its heading, and what prints it.
struct Table {
    name: &'static str,
    heading: &'static str,
    print: fn(&Build<'_>) -> anyhow::Result<()>,
}

const TABLES: &[Table] = &[
    Table {
        name: "sizes",
        heading: "Sizes on disk",
        print: sizes,
    },
    Table {
        name: "line",
        heading: "Line and bridge against a direct pipe",
        print: line,
    },
];

/// What is measured, built as it is shipped.
struct Build<'a> {
    cache: &'a Cache,
    bridge: &'a Path,
    program: &'a Path,
}

/// Prints all tables, or those that are named.
pub(crate) fn bench(cache: &Cache, names: &[&str]) -> anyhow::Result<()> {
    let known = |name: &str| TABLES.iter().any(|it| it.name == name);
    if let Some(name) = names.iter().find(|it| !known(it)) {
        let all: Vec<_> = TABLES.iter().map(|it| it.name).collect();
        bail!("there is no table `{name}`; there are {}", all.join(", "));
    }
    let programs = program::build(cache, Profile::Release)?;
    let build = Build {
        cache,
        bridge: &programs.bridge,
        program: &programs.archestra,
    };
    for table in TABLES
        .iter()
        .filter(|it| names.is_empty() || names.contains(&it.name))
    {
        println!(
            "\n## {} (`cargo xtask bench {}`)\n",
            table.heading, table.name
        );
        (table.print)(&build)?;
    }
    Ok(())
}

fn sizes(build: &Build<'_>) -> anyhow::Result<()> {
    println!("| what | KiB |\n|---|---:|");
    for (what, path) in [("bridge", build.bridge), ("program", build.program)] {
        println!("| {what} | {} |", fs::metadata(path)?.len() / 1024);
    }
    Ok(())
}

fn line(build: &Build<'_>) -> anyhow::Result<()> {
    let mut example = cargo();
    example.args([
        "build",
        "--release",
        "-p",
        "sandbox",
        "--example",
        "line_latency",
    ]);
    run(build.cache.tell(&mut example))?;
    let program = build
        .cache
        .target_dir()
        .join("release/examples/line_latency");
    println!("Wherever the scheduler puts them:\n\n```text");
    run(command(&program).arg(build.bridge))?;
    println!("```");
    if find("taskset").is_some() {
        println!("\nPinned to one processor:\n\n```text");
        run(command("taskset")
            .args(["-c", "0"])
            .arg(&program)
            .arg(build.bridge))?;
        println!("```");
    }
    Ok(())
}
