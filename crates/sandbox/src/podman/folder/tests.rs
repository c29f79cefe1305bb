use expect_test::{Expect, expect};

use super::*;

/// Judges a folder described as `path mode uid:gid`, for a server that writes where `mode` is
/// followed by `!`. The home is `/home/ann`, the data is in `/home/ann/.local/share/archestra`.
#[track_caller]
fn check(folder: &str, rootless: bool, expected: Expect) {
    let [path, mode, owner] = folder.split(' ').collect::<Vec<_>>()[..] else {
        panic!("three words");
    };
    let (uid, gid) = owner.split_once(':').unwrap();
    let access = if mode.ends_with('!') {
        FolderAccess::ReadWrite
    } else {
        FolderAccess::ReadOnly
    };
    let (given, canonical) = path.split_once("->").unwrap_or((path, path));
    let found = Found {
        canonical: canonical.into(),
        is_dir: true,
        uid: uid.parse().unwrap(),
        gid: gid.parse().unwrap(),
        mode: u32::from_str_radix(mode.trim_end_matches('!'), 8).unwrap(),
    };
    let id = if rootless { 4242 } else { USER };
    let rules = FolderRules {
        home: Some(Path::new("/home/ann")),
        data_dir: Path::new("/home/ann/.local/share/archestra"),
        user: HostUser {
            uid: id,
            gid: id,
            rootless,
        },
    };
    let actual = match judge(Path::new(given), access, &found, &rules) {
        Ok(()) => "fine".to_owned(),
        Err(it) => format!("{}; {}", it.reason, it.fix),
    };
    expected.assert_eq(&actual);
}

#[test]
fn folders_that_a_server_must_not_have_are_refused() {
    check(
        "/ 755 0:0",
        false,
        expect![
            "it is the whole file system; choose a folder in it that holds only what the server is to see"
        ],
    );
    check(
        "/home/ann 755 1000:1000",
        false,
        expect![
            "it holds the home directory `/home/ann`; choose a folder in it that holds only what the server is to see"
        ],
    );
    check(
        "/home 755 0:0",
        false,
        expect![
            "it holds the home directory `/home/ann`; choose a folder in it that holds only what the server is to see"
        ],
    );
    check(
        "/home/bob 755 1000:1000",
        false,
        expect![
            "it holds the home directory `/home/bob`; choose a folder in it that holds only what the server is to see"
        ],
    );
    check(
        "/home/ann/.local 755 1000:1000",
        false,
        expect![
            "this program keeps its own data in `/home/ann/.local/share/archestra`; choose another folder"
        ],
    );
    check(
        "/home/ann/.local/share/archestra/run 755 1000:1000",
        false,
        expect![
            "this program keeps its own data in `/home/ann/.local/share/archestra`; choose another folder"
        ],
    );
    check(
        "/proc/1 755 1000:1000",
        false,
        expect!["it belongs to the operating system; choose a folder with files of your own"],
    );
    check(
        "/home/ann/a->/home/ann/b 755 1000:1000",
        false,
        expect![
            "the path is another way to write `/home/ann/b`; give `/home/ann/b` itself, if that is what you want"
        ],
    );
    check(
        "/home/ann/./a->/home/ann/a 755 1000:1000",
        false,
        expect![
            "the path is another way to write `/home/ann/a`; give `/home/ann/a` itself, if that is what you want"
        ],
    );
}

#[test]
fn a_folder_of_the_users_own_is_fine() {
    check("/home/ann/notes 700 4242:4242", true, expect!["fine"]);
    check("/home/ann/notes 700! 4242:4242", true, expect!["fine"]);
    check("/home/ann/notes 755 1000:1000", false, expect!["fine"]);
    check("/srv/notes 755 0:0", false, expect!["fine"]);
}

#[test]
fn a_folder_that_the_user_inside_cannot_use_is_refused_with_the_fix() {
    check(
        "/home/ann/notes 700 0:0",
        false,
        expect![
            "the user inside the sandbox (1000:1000 on this machine) may not read it (its owner is 0:0, its mode 0700); run `chmod -R o+rX '/home/ann/notes'`"
        ],
    );
    check(
        "/home/ann/notes 755! 0:0",
        false,
        expect![
            "the user inside the sandbox (1000:1000 on this machine) may not write it (its owner is 0:0, its mode 0755); run `chown -R 1000:1000 '/home/ann/notes'`, or use Podman without root"
        ],
    );
    check(
        "/home/ann/notes 755! 0:0",
        true,
        expect![
            "the user inside the sandbox (4242:4242 on this machine) may not write it (its owner is 0:0, its mode 0755); choose a folder that belongs to you, or run `sudo chown -R 4242:4242 '/home/ann/notes'`"
        ],
    );
    check(
        "/home/ann/notes 500! 4242:4242",
        true,
        expect![
            "the user inside the sandbox (4242:4242 on this machine) may not write it (its owner is 4242:4242, its mode 0500); run `chmod -R u+rwX '/home/ann/notes'`"
        ],
    );
    check(
        "/home/ann/notes 740 0:4242",
        true,
        expect![
            "the user inside the sandbox (4242:4242 on this machine) may not open it (its owner is 0:4242, its mode 0740); run `chmod -R g+rX '/home/ann/notes'`"
        ],
    );
}

#[test]
fn places_inside_that_are_not_the_servers_are_refused() {
    for good in ["/data", "/install", "/home/app", "/srv/a b"] {
        check_inside(good).unwrap();
    }
    for bad in [
        "data",
        "/",
        "/a/../b",
        "/.archestra",
        "/run/archestra",
        "/etc/x",
        "/a:ro",
        "",
    ] {
        check_inside(bad).unwrap_err();
    }
}
