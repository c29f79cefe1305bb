//! The suite on Podman without root.
//!
//! As root, this binary runs itself again as an ordinary user, who then runs the suite of `root`
//! and the checks of `hardening` that need no base image.

use std::{
    fs,
    io::Write as _,
    os::unix::{fs::chown, process::CommandExt as _},
    path::Path,
};

use crate::machine::{command, machine, missing, run};

const USER: &str = "archestra-test";

#[test]
fn the_suite_holds_for_an_ordinary_user() {
    if machine().is_none() || run("id", &["-u"]).unwrap().trim() != "0" {
        return;
    }
    if run("sh", &["-c", "command -v newuidmap"]).is_err() {
        missing("`newuidmap` is not installed (`apt-get install uidmap`)");
        return;
    }
    if run("id", &["-u", USER]).is_err() {
        run("useradd", &["--create-home", "--shell", "/bin/sh", USER]).unwrap();
    }
    let number = |flag: &str| -> u32 { run("id", &[flag, USER]).unwrap().trim().parse().unwrap() };
    let (uid, gid) = (number("-u"), number("-g"));

    let dir = tempfile::Builder::new()
        .prefix("rootless-")
        .tempdir()
        .unwrap();
    let own = |name: &str| {
        let path = dir.path().join(name);
        fs::create_dir_all(&path).unwrap();
        chown(&path, Some(uid), Some(gid)).unwrap();
        path
    };
    chown(dir.path(), Some(uid), Some(gid)).unwrap();
    // The user may not read where this was built.
    let program = copy(&std::env::current_exe().unwrap(), &dir.path().join("tests"));
    copy(
        &crate::machine::machine().unwrap().bridge,
        &dir.path().join("machine-bridge"),
    );
    let (home, runtime, machine_dir) = (own("home"), own("runtime"), own("m"));
    fs::set_permissions(
        &runtime,
        std::os::unix::fs::PermissionsExt::from_mode(0o700),
    )
    .unwrap();

    let output = command(program.to_str().unwrap())
        .args(["root::", "hardening::held", "--test-threads=2"])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs(std::env::var_os("CI").map(|it| ("CI", it)))
        .env("HOME", &home)
        .env("XDG_RUNTIME_DIR", &runtime)
        .env("ARCHESTRA_BRIDGE", dir.path().join("machine-bridge"))
        .env("ARCHESTRA_TEST_DIR", &machine_dir)
        .current_dir(dir.path())
        .uid(uid)
        .gid(gid)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    writeln!(std::io::stderr(), "as {USER}: {}", last_line(&text)).ok();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "as {USER}: {text}\n{errors}");
    assert!(text.contains("a_list_says_what_was_asked_for"), "{text}");
}

fn copy(from: &Path, to: &Path) -> std::path::PathBuf {
    fs::copy(from, to).unwrap();
    fs::set_permissions(to, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    to.to_owned()
}

fn last_line(text: &str) -> &str {
    text.lines()
        .rfind(|it| it.starts_with("test result"))
        .unwrap_or("no result")
}
