//! `cargo xtask screens`: the pictures in `docs/screens`, taken by the journeys on their way.

use std::fs;

use crate::{
    cache::Cache,
    command::{cargo, root, run},
    packages, peers,
    program::{self, Profile},
};

/// Walks the journeys, all or those whose names contain a word, and takes pictures. What they do not
/// come by keeps the picture that it has.
pub(crate) fn screens(cache: &Cache, words: &[&str]) -> anyhow::Result<()> {
    for needs in [
        packages::RUN,
        packages::PEERS,
        packages::TEST,
        packages::SCREENS,
    ] {
        packages::ensure(needs)?;
    }
    let program = program::build(cache, Profile::Debug)?.archestra;
    let peers = peers::prepare(cache)?;
    let dir = root().join("docs/screens");
    fs::create_dir_all(&dir)?;
    let mut test = cargo();
    test.args(["test", "--locked", "-p", "e2e", "--test", "it", "--"])
        .args(["--test-threads", "1"]);
    if words.is_empty() {
        test.arg("journeys::");
    }
    test.args(words)
        .envs(peers.env())
        .env("ARCHESTRA_SCREENS", dir)
        .env("FONTCONFIG_FILE", root().join("tests/peers/fonts.conf"))
        .env("CARGO_BIN_EXE_archestra", program);
    run(cache.tell(&mut test))
}
