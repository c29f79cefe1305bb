use super::*;

fn words(text: &str) -> Vec<OsString> {
    text.split(' ').map(OsString::from).collect()
}

#[test]
fn the_command_line_is_well_formed() {
    command().debug_assert();
    ConnectCli::command().debug_assert();
}

#[test]
fn settings_can_stand_before_a_command_and_after_it() {
    for text in [
        "archestra --listen 127.0.0.1:1 --data-dir /x --allow-remote",
        "archestra --data-dir /x serve --listen 127.0.0.1:1 --allow-remote=true",
        "archestra serve --allow-remote --listen=127.0.0.1:1 --data-dir /x",
    ] {
        let (_, flags) = parse(words(text)).unwrap();
        let flags: Vec<_> = flags.by_key.into_iter().collect();
        let expected = [
            ("allow_remote", vec!["true".to_owned()]),
            ("data_dir", vec!["/x".to_owned()]),
            ("listen", vec!["127.0.0.1:1".to_owned()]),
        ];
        assert_eq!(flags, expected, "{text}");
    }
}

#[test]
fn folders_have_an_access() {
    let folder = |text: &str| {
        let it = super::folder(text)?;
        Ok::<_, String>((it.host.display().to_string(), it.inside, it.is_writable))
    };
    assert_eq!(folder("/a:/b"), Ok(("/a".into(), "/b".into(), false)));
    assert_eq!(folder("/a:/b:rw"), Ok(("/a".into(), "/b".into(), true)));
    assert_eq!(
        folder("/a:c:/b:ro"),
        Ok(("/a:c".into(), "/b".into(), false))
    );
    assert!(folder("/a").is_err());
    assert!(folder("/a:b").is_err());
}

#[test]
fn what_follows_the_dashes_is_the_servers() {
    let text = "archestra servers add npm:x --arg=-v --env A=b=c -- --root /data";
    let (cli, _) = parse(words(text)).unwrap();
    let Some(Command::Servers(ServersCommand::Add(add))) = cli.command else {
        panic!("it is `servers add`");
    };
    assert_eq!(add.args, ["-v"]);
    assert_eq!(add.more_args, ["--root", "/data"]);
    assert_eq!(add.env[0].1, "b=c");
}

#[test]
fn headers_are_names_that_may_be_set() {
    let check = |text: &str| match parse(words(text)) {
        Ok((
            Cli {
                command: Some(Command::Servers(ServersCommand::Add(add))),
                ..
            },
            _,
        )) => {
            format!("{:?} {:?}", add.header, add.header_from_env)
        }
        Ok(_) => "something else".to_owned(),
        Err(err) => err.kind().to_string(),
    };
    let shown = check("archestra servers add https://x --header X-A --header-from-env B=C");
    assert_eq!(
        shown,
        r#"[HeaderName { text: "x-a" }] [(HeaderName { text: "b" }, "C")]"#
    );
    for wrong in ["--header Host", "--header A:b", "--header-from-env B"] {
        let text = format!("archestra servers add https://x {wrong}");
        assert_eq!(
            check(&text),
            "invalid value for one of the arguments",
            "{wrong}"
        );
    }
}
