use std::fs::{self, Permissions};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

fn vault() -> (TempDir, PathBuf, Vault) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault.key");
    let vault = Vault::open(&path, false).unwrap();
    (dir, path, vault)
}

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

#[test]
fn a_value_is_opened_by_the_same_key_after_a_restart() {
    let (_dir, path, vault) = vault();
    let sealed = vault.seal("secret:1", &secret("hunter2")).unwrap();
    let again = Vault::open(&path, true).unwrap();
    assert_eq!(
        again.unseal("secret:1", &sealed).unwrap().expose(),
        "hunter2"
    );
    assert!(!sealed.windows(7).any(|it| it == b"hunter2"));
}

#[test]
fn a_value_in_another_row_or_with_another_key_does_not_open() {
    let (_dir, _, vault) = vault();
    let sealed = vault.seal("secret:1:server:a", &secret("x")).unwrap();
    for other in [
        "secret:1:server:b",
        "secret:1:server:",
        "",
        "secret:2:server:a",
    ] {
        let err = vault.unseal(other, &sealed).unwrap_err();
        assert!(matches!(err, VaultError::Foreign), "{other}: {err:?}");
    }
    let (_dir, _, stranger) = self::vault();
    let err = stranger.unseal("secret:1:server:a", &sealed).unwrap_err();
    assert!(matches!(err, VaultError::Foreign), "{err:?}");
}

#[test]
fn one_value_sealed_twice_is_two_texts() {
    let (_dir, _, vault) = vault();
    let seal = || vault.seal("a", &secret("x")).unwrap();
    assert_ne!(seal(), seal());
}

#[test]
fn a_new_key_is_for_its_owner_only_and_leaves_nothing_beside_it() {
    let (dir, path, _) = vault();
    let meta = fs::metadata(&path).unwrap();
    assert_eq!((meta.permissions().mode() & 0o777, meta.len()), (0o600, 32));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_missing_key_is_not_replaced_while_there_are_secrets() {
    let (_dir, path, _) = vault();
    fs::remove_file(&path).unwrap();
    let err = Vault::open(&path, true).unwrap_err();
    assert!(matches!(err, VaultError::KeyMissing { .. }), "{err:?}");
    assert!(!path.exists());
    Vault::open(&path, false).unwrap();
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let (_dir, path, _) = vault();
    for mode in [0o644, 0o640, 0o604, 0o660, 0o700, 0o4600] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let err = Vault::open(&path, true).unwrap_err();
        assert!(
            matches!(err, VaultError::KeyMode { .. }),
            "{mode:o}: {err:?}"
        );
    }
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    Vault::open(&path, true).unwrap();
}

#[test]
fn what_is_not_a_key_file_is_refused_and_stays() {
    let (dir, path, _) = vault();
    for bytes in [0, 31, 33] {
        fs::write(&path, vec![1; bytes]).unwrap();
        let err = Vault::open(&path, false).unwrap_err();
        assert!(
            matches!(err, VaultError::KeyForm { .. }),
            "{bytes}: {err:?}"
        );
        assert_eq!(fs::read(&path).unwrap().len(), bytes);
    }
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    for path in [link.as_path(), dir.path()] {
        let err = Vault::open(path, false).unwrap_err();
        assert!(matches!(err, VaultError::KeyForm { .. }), "{err:?}");
    }
}

#[test]
fn two_that_make_the_key_at_a_time_have_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault.key");
    let vaults: Vec<Vault> = std::thread::scope(|scope| {
        let open = || scope.spawn(|| Vault::open(&path, false).unwrap());
        let threads: Vec<_> = (0..8).map(|_| open()).collect();
        threads.into_iter().map(|it| it.join().unwrap()).collect()
    });
    let sealed = vaults[0].seal("a", &secret("x")).unwrap();
    for vault in &vaults {
        assert_eq!(vault.unseal("a", &sealed).unwrap().expose(), "x");
    }
}

#[test]
fn a_secret_over_its_bound_is_refused_and_one_at_it_is_not() {
    let (_dir, _, vault) = vault();
    let most = secret(&"x".repeat(SECRET_BYTES_MAX));
    let sealed = vault.seal("a", &most).unwrap();
    assert_eq!(vault.unseal("a", &sealed).unwrap().expose(), most.expose());
    let err = vault
        .seal("a", &secret(&"x".repeat(SECRET_BYTES_MAX + 1)))
        .unwrap_err();
    assert!(matches!(err, VaultError::TooLong { .. }), "{err:?}");
}

#[test]
fn nothing_of_it_is_printed() {
    let (_dir, _, vault) = vault();
    assert_eq!(format!("{vault:?}"), "Vault([redacted])");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_changed_or_cut_value_never_opens(text in ".{0,40}", at in any::<usize>(), bit in 0_u8..8) {
        let (_dir, _, vault) = vault();
        let sealed = vault.seal("a", &secret(&text)).unwrap();
        let opened = vault.unseal("a", &sealed).unwrap();
        prop_assert_eq!(opened.expose(), &text);
        let mut changed = sealed.clone();
        let at = at % changed.len();
        changed[at] ^= 1 << bit;
        prop_assert!(vault.unseal("a", &changed).is_err());
        prop_assert!(vault.unseal("a", &sealed[..at]).is_err());
    }
}
