use std::{fs, os::unix::fs::PermissionsExt as _};

use super::bed::new_id;
use crate::{DataDir, Holder, StoreError};

#[test]
fn the_instance_keeps_its_id_and_the_first_candidate_wins() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deep/data");
    let first = new_id();
    let data = DataDir::open(&path, first).unwrap();
    assert_eq!(data.instance(), first);
    drop(data);
    assert_eq!(DataDir::open(&path, new_id()).unwrap().instance(), first);
}

#[test]
fn a_second_one_is_refused_and_told_where_the_first_answers() {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::open(dir.path(), new_id()).unwrap();
    data.announce("http://127.0.0.1:3000").unwrap();
    let err = DataDir::open(dir.path(), new_id()).unwrap_err();
    let StoreError::DataDirInUse { holder, .. } = &err else {
        panic!("{err:?}");
    };
    let expected = Holder {
        pid: Some(std::process::id()),
        address: Some("http://127.0.0.1:3000".to_owned()),
    };
    assert_eq!(*holder, expected);
    assert!(err.to_string().contains("http://127.0.0.1:3000"), "{err}");
    drop(data);
    let data = DataDir::open(dir.path(), new_id()).unwrap();
    assert_eq!(DataDir::holder(data.path()).address, None);
}

#[test]
fn a_copy_that_a_child_process_has_of_the_lock_keeps_nobody_out() {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::open(dir.path(), new_id()).unwrap();
    // What a child process has between `fork` and `exec`.
    let copy = data.lock.try_clone().unwrap();
    drop(data);
    DataDir::open(dir.path(), new_id()).unwrap();
    drop(copy);
}

#[expect(clippy::disallowed_methods, reason = "the other process is the test")]
#[test]
fn another_process_that_holds_the_lock_keeps_us_out() {
    let dir = tempfile::tempdir().unwrap();
    let lock = dir.path().join("lock");
    fs::write(&lock, "{\"pid\":1,\"address\":null}").unwrap();
    let mut other = std::process::Command::new("flock")
        .arg(&lock)
        .args(["sh", "-c", "echo locked; cat >/dev/null"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let stdout = other.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
    let err = DataDir::open(dir.path(), new_id()).unwrap_err();
    assert!(matches!(err, StoreError::DataDirInUse { .. }), "{err:?}");
    drop(other.stdin.take());
    other.wait().unwrap();
    DataDir::open(dir.path(), new_id()).unwrap();
}

#[test]
fn directories_and_files_are_for_their_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let data = DataDir::open(dir.path(), new_id()).unwrap();
    let run = data.subdir("run").unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(dir.path()), 0o700);
    assert_eq!(mode(&run), 0o700);
    assert_eq!(mode(&dir.path().join("lock")), 0o600);
    assert_eq!(mode(&dir.path().join("instance")), 0o600);
}

#[test]
fn a_damaged_instance_file_is_an_error_and_no_new_instance() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("instance"), "").unwrap();
    let err = DataDir::open(dir.path(), new_id()).unwrap_err();
    assert!(matches!(err, StoreError::Corrupt { .. }), "{err:?}");
}
