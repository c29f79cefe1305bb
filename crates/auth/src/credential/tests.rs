use std::collections::BTreeSet;

use super::*;

const KINDS: [CredentialKind; 3] = [
    CredentialKind::Token,
    CredentialKind::LoginLink,
    CredentialKind::Session,
];

#[test]
fn a_credential_has_its_form_and_no_two_are_equal() {
    let mut seen = BTreeSet::new();
    for _ in 0..100 {
        let (token, hash) = new_credential(CredentialKind::Token);
        let random = token.expose().strip_prefix("arch_").unwrap();
        assert_eq!(random.len(), 43);
        let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        assert!(random.bytes().all(fits));
        assert_eq!(hash, TokenHash::of(token.expose()));
        assert!(seen.insert(token.into_exposed()));
    }
}

#[test]
fn one_kind_does_not_pass_for_another() {
    for made in KINDS {
        let (text, _) = new_credential(made);
        for asked in KINDS {
            assert_eq!(is_well_formed(asked, text.expose()), made == asked);
        }
    }
}

#[test]
fn a_hash_has_a_text_form_that_is_pinned() {
    let hash = TokenHash::of("abc");
    let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(hash.to_string(), text);
    assert_eq!(text.parse(), Ok(hash));
    assert_eq!(format!("{hash:?}"), "TokenHash(ba7816bf…)");
    assert_ne!(hash, TokenHash::of("abd"));
    for wrong in [
        "",
        "ba78",
        &text.replace('b', "g"),
        &format!("+{}", &text[1..]),
    ] {
        assert_eq!(wrong.parse::<TokenHash>(), Err(TokenHashError), "{wrong}");
    }
}

#[test]
fn a_bearer_header_is_read_strictly() {
    let (token, _) = new_credential(CredentialKind::Token);
    let token = token.expose();
    for fine in [
        format!("Bearer {token}"),
        format!("bearer {token}"),
        format!("BEARER  {token}"),
    ] {
        assert_eq!(parse_bearer(&fine), Some(token.as_str()), "{fine}");
    }
    let (link, _) = new_credential(CredentialKind::LoginLink);
    let wrong = [
        String::new(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        token.clone(),
        format!("Basic {token}"),
        format!("Bearer{token}"),
        format!("Bearer\t{token}"),
        format!("Bearer {token}x"),
        format!("Bearer {token} {token}"),
        format!("Bearer {token},Bearer {token}"),
        format!("Bearer {}", &token[..token.len() - 1]),
        format!("Bearer {}", token.to_uppercase()),
        format!("Bearer {}", link.expose()),
    ];
    for header in wrong {
        assert_eq!(parse_bearer(&header), None, "{header}");
    }
}
