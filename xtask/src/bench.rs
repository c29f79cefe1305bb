//! `cargo xtask bench`: what the budgets are measured by. `docs/benchmarks.md` keeps the figures.
//!
//! What measures is `tests/e2e/examples/bench`; here is only built what it needs, as it is shipped.

use crate::{
    cache::Cache,
    command::{cargo, command, run},
    packages, peers,
    program::{self, Profile},
};

/// Prints the table, or those of its rows that are named.
pub(crate) fn bench(cache: &Cache, names: &[&str]) -> anyhow::Result<()> {
    let programs = program::build(cache, Profile::Release)?;
    // One after the other: together, features of one would be built into what the other shares.
    for (package, example) in [("sandbox", "line_latency"), ("e2e", "bench")] {
        let mut build = cargo();
        build.args(["build", "--locked", "--release", "-p", package]);
        run(cache.tell(build.args(["--example", example])))?;
    }
    let examples = cache.target_dir().join("release/examples");
    let mut bench = command(examples.join("bench"));
    bench
        .arg(&programs.bridge)
        .arg(examples.join("line_latency"))
        .args(names);
    run(cache.tell(&mut bench))
}

/// Prints the table of the UI's budgets.
pub(crate) fn bench_ui(cache: &Cache) -> anyhow::Result<()> {
    for needs in [packages::RUN, packages::PEERS, packages::TEST] {
        packages::ensure(needs)?;
    }
    let programs = program::build(cache, Profile::Release)?;
    let peers = peers::prepare(cache)?;
    let mut build = cargo();
    build.args(["build", "--locked", "--release", "-p", "e2e"]);
    run(cache.tell(build.args(["--example", "bench_ui"])))?;
    let mut bench = command(cache.target_dir().join("release/examples/bench_ui"));
    bench
        .envs(peers.env())
        .env("CARGO_BIN_EXE_archestra", programs.archestra);
    run(cache.tell(&mut bench))
}
