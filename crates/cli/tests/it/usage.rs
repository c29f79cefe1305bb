//! What the program says about what it was told.

use expect_test::expect;

use crate::bed::{Bed, text};

#[test]
fn all_mistakes_are_told_at_once_and_the_exit_code_is_64() {
    let bed = Bed::new();
    let mut command = bed.command(&["serve", "--listen", "somewhere", "--line-bytes-max", "1TB"]);
    let output = command.env("ARCHESTRA_IDEL_STOP", "5m").output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    expect![[r#"
        `ARCHESTRA_IDEL_STOP` is not a setting; did you mean `ARCHESTRA_IDLE_STOP`?
        `--listen` is `somewhere`, expected an address like `127.0.0.1:3000`
        `--line-bytes-max` is `1TB`, expected a size from `1KiB` to `64MiB`"#]]
    .assert_eq(&text(&output.stderr));
    assert!(output.stdout.is_empty());
    assert!(!bed.data().exists());
}

#[test]
fn a_flag_that_does_not_exist_is_told_and_the_exit_code_is_64() {
    let bed = Bed::new();
    for args in [
        &["serve", "--lisen", "x"][..],
        &["frobnicate"],
        &["connect", "--lisen"],
        &["servers", "add"],
    ] {
        let output = bed.run(args);
        assert_eq!(output.status.code(), Some(64), "{args:?}");
        assert!(text(&output.stderr).starts_with("error: "), "{args:?}");
    }
}

#[test]
fn help_and_the_version_are_no_mistakes() {
    let bed = Bed::new();
    for args in [
        &["--help"][..],
        &["serve", "--help"],
        &["connect", "--help"],
        &["--version"],
    ] {
        let output = bed.run(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(text(&output.stdout).contains("archestra"), "{args:?}");
    }
    let help = text(&bed.run(&["serve", "--help"]).stdout);
    assert!(help.contains("--egress-allow-ranges"), "{help}");
}

#[test]
fn settings_are_checked_and_dumped() {
    let bed = Bed::new();
    let output = bed.run(&["config", "check"]);
    assert_eq!(text(&output.stdout), "the settings are fine");

    let url = "postgres://ada:hunter2@localhost/a";
    let output = bed.run(&["config", "dump", "--json", "--database", url]);
    let dumped = text(&output.stdout);
    assert!(!dumped.contains("hunter2"), "{dumped}");
    let dumped: serde_json::Value = serde_json::from_str(&dumped).unwrap();
    assert_eq!(dumped["database"]["source"]["name"], "--database");
    assert_eq!(dumped["data_dir"]["source"]["name"], "ARCHESTRA_DATA_DIR");
    assert_eq!(dumped["listen"]["value"][0], "127.0.0.1:3000");

    let output = bed.run(&["config", "check", "--listen", "0.0.0.0:80"]);
    assert_eq!(output.status.code(), Some(64));
}

#[test]
fn a_command_that_needs_the_program_says_how_to_start_it() {
    let bed = Bed::new();
    let data = bed.data().display().to_string();
    for args in [
        &["servers", "list"][..],
        &["tools"],
        &["open"],
        &["token", "list"],
    ] {
        let output = bed.run(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert_eq!(
            text(&output.stderr).replace(&data, "DATA"),
            "error: no program is running with the data in `DATA`; start it with `archestra serve`"
        );
    }
}

#[test]
fn a_secret_is_given_in_clear_only_when_that_is_said() {
    let bed = Bed::new();
    let (_running, _) = bed.serve(&[]);
    let output = bed.run(&["servers", "add", "npm:x", "--secret", "TOKEN"]);
    assert_eq!(output.status.code(), Some(1));
    expect!["error: the server `npm:x` would see the value of `TOKEN` in clear: its code can keep it, and send it to each host that it may reach; say `--give-secret-in-clear` if you trust it with that"].assert_eq(&text(&output.stderr));
}
