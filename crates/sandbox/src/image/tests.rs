use std::os::unix::fs::PermissionsExt as _;

use super::*;

#[test]
fn missing_tools_are_named_with_the_line_that_installs_them() {
    let dir = tempfile::tempdir().unwrap();
    for tool in ["sh", "npm", "tar"] {
        let path = dir.path().join(tool);
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let err = find_tools(&[("PATH".into(), dir.path().into())]).unwrap_err();
    assert_eq!(
        err.to_string(),
        "the base image cannot be made without `mmdebstrap`, `python3`"
    );
    assert_eq!(
        err.hint().unwrap(),
        "run `apt-get install mmdebstrap python3-pip`"
    );
}

#[test]
fn the_name_is_that_of_the_recipe() {
    assert_eq!(base_image_reference(), base_image_reference());
    assert!(base_image_reference().starts_with("localhost/archestra-base:"));
    let tag = base_image_reference();
    let tag = tag.rsplit_once(':').unwrap().1;
    assert!(base_image_tar(Path::new("/c")).ends_with(format!("base-{tag}.tar")));
}

#[test]
fn the_recipe_gets_what_its_tools_read_and_no_more() {
    let all = [
        "PATH",
        "HTTPS_PROXY",
        "npm_config_registry",
        "PIP_INDEX_URL",
        "GITHUB_TOKEN",
    ];
    let all = all.map(|it| (OsString::from(it), OsString::from("x")));
    let kept = recipe_environment(all);
    let kept: Vec<_> = kept.iter().map(|it| it.0.to_str().unwrap()).collect();
    assert_eq!(
        kept,
        [
            "PATH",
            "HTTPS_PROXY",
            "npm_config_registry",
            "PIP_INDEX_URL"
        ]
    );
}

#[tokio::test]
async fn a_step_that_fails_is_named_with_its_last_lines() {
    let env: Vec<_> = std::env::vars_os().collect();
    let script = "echo '::step one'; echo fine; echo '::step two'; echo broken >&2; exit 3";
    let child = process::command(Path::new("sh"), &env, Path::new("/"))
        .args(["-c", script])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let steps = std::sync::Mutex::new(Vec::new());
    let err = follow(child, &|it| {
        if let ImageProgress::Step(it) = it {
            steps.lock().unwrap().push(it.to_owned());
        }
    })
    .await
    .unwrap_err();
    assert_eq!(*steps.lock().unwrap(), ["one", "two"]);
    let ImageError::Step { step, last_lines } = err else {
        panic!("{err}");
    };
    assert_eq!(step, "two");
    assert!(last_lines.contains(&"broken".to_owned()), "{last_lines:?}");
}
