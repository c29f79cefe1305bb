//! Puts the bridge into the program: the static binary that runs inside each sandbox.
//!
//! It is built before, for its own target and with its own profile, by `cargo xtask bridge`. A
//! build without it makes a program that says so, and runs no sandboxes.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

fn main() {
    println!("cargo::rerun-if-env-changed=ARCHESTRA_BRIDGE");
    let manifest = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let workspace = manifest.ancestors().nth(2).unwrap_or(&manifest);
    let usual = workspace.join("target/bridge/archestra-bridge");
    let path = match env::var_os("ARCHESTRA_BRIDGE").filter(|it| !it.is_empty()) {
        Some(path) => PathBuf::from(path),
        None => usual,
    };
    println!("cargo::rerun-if-changed={}", path.display());

    let bytes = read(&path);
    let digest: String = Sha256::digest(&bytes)
        .iter()
        .map(|it| format!("{it:02x}"))
        .collect();
    let digest = if bytes.is_empty() { "" } else { &digest };
    let copy = Path::new(&variable("OUT_DIR")).join("bridge");
    if let Err(err) = fs::write(&copy, &bytes) {
        panic!("cannot write `{}`: {err}", copy.display());
    }
    println!("cargo::rustc-env=ARCHESTRA_BRIDGE_SHA256={digest}");
    println!("cargo::rustc-env=ARCHESTRA_BRIDGE_COPY={}", copy.display());
}

/// Returns the bridge's bytes, none where it is not there.
fn read(path: &Path) -> Vec<u8> {
    match fs::read(path) {
        Ok(bytes) => bytes,
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(err) => panic!("cannot read `{}`: {err}", path.display()),
    }
}

fn variable(name: &str) -> String {
    match env::var(name) {
        Ok(value) => value,
        Err(err) => panic!("`{name}` is set by cargo: {err}"),
    }
}
