use expect_test::expect;

use super::*;

/// The value is on running containers as a label. A change that makes this test fail restarts
/// every server of every user once.
#[test]
fn the_hash_is_the_same_in_every_build() {
    expect!["1c8a5b25340305184303550a0a3cb53b"].assert_eq(&spec().hash().to_string());
    let hash = spec().hash();
    assert_eq!(hash.to_string().parse(), Ok(hash));
}

#[test]
fn what_a_sandbox_has_changes_the_hash_and_how_long_one_waits_does_not() {
    let changed = |change: fn(&mut SandboxSpec)| {
        let mut it = spec();
        change(&mut it);
        it.hash() != spec().hash()
    };
    assert!(changed(|it| it.image.push('x')));
    assert!(changed(|it| it.bridge_hash.push('x')));
    assert!(changed(|it| it.mounts[0].access = FolderAccess::ReadWrite));
    assert!(changed(
        |it| it.mounts[0].source = MountSource::Host("v".into())
    ));
    assert!(changed(|it| it.limits.memory_bytes_max += 1));
    assert!(!changed(|it| it.limits.call_timeout_ms += 1));
}

fn spec() -> SandboxSpec {
    SandboxSpec {
        image: "localhost/base:1".to_owned(),
        bridge_hash: "00".to_owned(),
        mounts: vec![SandboxMount {
            source: MountSource::Volume("v".to_owned()),
            inside: "/install".to_owned(),
            access: FolderAccess::ReadOnly,
        }],
        limits: Limits::default(),
    }
}
