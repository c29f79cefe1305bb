//! Puts into the program what is built before it and by other means: the bridge, which is the static
//! binary that runs inside each sandbox, and the files of the UI.
//!
//! `cargo xtask bridge` and `cargo xtask web` build them. A build without the bridge makes a program
//! that says so and runs no sandboxes; one without the UI has a page that says so.

use std::{
    env,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

fn main() {
    let manifest = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let workspace = manifest.ancestors().nth(2).unwrap_or(&manifest);
    let out = PathBuf::from(variable("OUT_DIR"));
    carry_bridge(workspace, &out);
    carry_web(workspace, &out);
}

fn carry_bridge(workspace: &Path, out: &Path) {
    let path = place("ARCHESTRA_BRIDGE").unwrap_or_else(|| {
        let usual = workspace.join("target/bridge/archestra-bridge");
        println!("cargo::rerun-if-changed={}", usual.display());
        usual
    });
    let bytes = read(&path).unwrap_or_default();
    let digest = if bytes.is_empty() {
        String::new()
    } else {
        digest(&bytes)
    };
    let copy = out.join("bridge");
    write(&copy, &bytes);
    println!("cargo::rustc-env=ARCHESTRA_BRIDGE_SHA256={digest}");
    println!("cargo::rustc-env=ARCHESTRA_BRIDGE_COPY={}", copy.display());
}

/// Copies the UI's files, and writes the list of them as an expression for `include!`.
fn carry_web(workspace: &Path, out: &Path) {
    println!("cargo::rerun-if-env-changed=CI");
    let dist = place("ARCHESTRA_WEB").unwrap_or_else(|| {
        let usual = workspace.join("web/dist");
        println!("cargo::rerun-if-changed={}", usual.display());
        usual
    });
    let mut names = Vec::new();
    if dist.join("index.html").is_file() {
        list(&dist, "", &mut names);
    } else if in_ci() {
        panic!(
            "the UI is not in `{}`; build it with `cargo xtask web`, or set `ARCHESTRA_WEB`",
            dist.display()
        );
    }
    names.sort();
    let copies = out.join("web");
    // What an earlier build has left is of no use.
    let _former = fs::remove_dir_all(&copies);
    if let Err(err) = fs::create_dir_all(&copies) {
        panic!("cannot make `{}`: {err}", copies.display());
    }
    let mut files = String::from("&[\n");
    for (number, name) in names.iter().enumerate() {
        let bytes = read(&dist.join(name)).unwrap_or_default();
        let copy = copies.join(number.to_string());
        write(&copy, &bytes);
        let gzip = match read(&dist.join(format!("{name}.gz"))) {
            Some(bytes) => {
                let copy = copies.join(format!("{number}.gz"));
                write(&copy, &bytes);
                format!("Some(include_bytes!({:?}))", copy.display().to_string())
            }
            None => "None".to_owned(),
        };
        let written = writeln!(
            files,
            "WebFile {{ path: {:?}, bytes: include_bytes!({:?}), gzip: {gzip}, hash: {:?} }},",
            format!("/{name}"),
            copy.display().to_string(),
            &digest(&bytes)[..16],
        );
        written.expect("a string takes all");
    }
    files.push(']');
    let list = out.join("web.rs");
    write(&list, files.as_bytes());
    println!("cargo::rustc-env=ARCHESTRA_WEB_LIST={}", list.display());
}

/// Returns the place that a variable names.
fn place(name: &str) -> Option<PathBuf> {
    println!("cargo::rerun-if-env-changed={name}");
    let path = env::var_os(name).filter(|it| !it.is_empty());
    let path = path.map(PathBuf::from)?;
    println!("cargo::rerun-if-changed={}", path.display());
    Some(path)
}

/// Adds the names of all files below a folder, but those that tell of the build and those that are
/// another one compressed.
fn list(dir: &Path, prefix: &str, names: &mut Vec<String>) {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(err) => panic!("cannot read `{}`: {err}", dir.display()),
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        if name.starts_with('.') || name.ends_with(".gz") {
            continue;
        }
        if path.is_dir() {
            list(&path, &format!("{prefix}{name}/"), names);
        } else {
            names.push(format!("{prefix}{name}"));
        }
    }
}

fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|it| format!("{it:02x}")).collect()
}

fn in_ci() -> bool {
    env::var_os("CI").is_some_and(|it| !it.is_empty() && it != "false")
}

/// Returns a file's bytes, `None` where it is not there.
fn read(path: &Path) -> Option<Vec<u8>> {
    match fs::read(path) {
        Ok(bytes) => Some(bytes),
        Err(err) if err.kind() == io::ErrorKind::NotFound => None,
        Err(err) => panic!("cannot read `{}`: {err}", path.display()),
    }
}

fn write(path: &Path, bytes: &[u8]) {
    if let Err(err) = fs::write(path, bytes) {
        panic!("cannot write `{}`: {err}", path.display());
    }
}

fn variable(name: &str) -> String {
    match env::var(name) {
        Ok(value) => value,
        Err(err) => panic!("`{name}` is set by cargo: {err}"),
    }
}
