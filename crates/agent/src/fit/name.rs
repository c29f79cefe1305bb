use std::collections::BTreeSet;

use domain::CanonicalForm;

/// The longest name that every provider takes, in bytes.
const NAME_LEN_MAX: usize = 64;
const HASH_DIGITS: usize = 8;

/// Returns a name for each of `names`, in their order, which every provider takes and which is
/// unique among them.
///
/// A name that fits is kept. Another one is cut and cleaned, and ends in a hash of the whole, so it
/// is the same in each request whatever else is in it, but where one tool is named as another would
/// become.
pub fn provider_names(names: &[&str]) -> Vec<String> {
    let mut taken: BTreeSet<String> = names
        .iter()
        .filter(|it| fits(it))
        .map(|it| (*it).to_owned())
        .collect();
    let mut out = Vec::with_capacity(names.len());
    for name in names {
        if fits(name) {
            out.push((*name).to_owned());
            continue;
        }
        let mut salt = 0;
        let fitted = loop {
            let candidate = hashed_name(name, salt);
            if taken.insert(candidate.clone()) {
                break candidate;
            }
            salt += 1;
        };
        out.push(fitted);
    }
    out
}

/// Returns `name` as every provider takes it.
pub fn fit_name(name: &str) -> String {
    if fits(name) {
        name.to_owned()
    } else {
        hashed_name(name, 0)
    }
}

fn fits(name: &str) -> bool {
    // Gemini's, which is the narrowest, wants a letter or an underscore in front.
    let first = name.bytes().next();
    first.is_some_and(|it| it.is_ascii_alphabetic() || it == b'_')
        && name.len() <= NAME_LEN_MAX
        && name.chars().all(is_fit)
}

const fn is_fit(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

fn hashed_name(name: &str, salt: u64) -> String {
    let mut form = CanonicalForm::default();
    form.text(name);
    form.number(salt);
    let hash = form.hash().to_string();
    let clean = name.chars().map(|it| if is_fit(it) { it } else { '_' });
    let starts_well = name.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_');
    let prefix = if starts_well { "" } else { "_" };
    let kept: String = clean
        .take(NAME_LEN_MAX - HASH_DIGITS - 1 - prefix.len())
        .collect();
    format!("{prefix}{kept}_{}", &hash[..HASH_DIGITS])
}

#[cfg(test)]
mod tests {
    use super::{fit_name, fits, provider_names};
    use expect_test::{Expect, expect};
    use proptest::{collection::btree_set, prelude::any, prop_assert, prop_assert_eq, proptest};

    #[track_caller]
    fn check(names: &[&str], expected: Expect) {
        expected.assert_eq(&provider_names(names).join("\n"));
    }

    #[test]
    fn names_that_fit_are_kept_and_others_end_in_a_hash() {
        check(
            &["github__list_issues", "a", "_x-9"],
            expect![[r#"
                github__list_issues
                a
                _x-9"#]],
        );
        check(
            &["9lives", "-dash", "dots.are.out", "grüße", ""],
            expect![[r#"
                _9lives_39260724
                _-dash_b6681e64
                dots_are_out_7b29b112
                gr__e_e39ef16e
                __374708ff"#]],
        );
        check(
            &[&"x".repeat(65)],
            expect!["xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx_616beac1"],
        );
    }

    #[test]
    fn a_tool_named_as_another_becomes_keeps_its_name() {
        let taken = fit_name("a.b");
        let names = provider_names(&["a.b", &taken]);
        assert_eq!(names[1], taken);
        assert_ne!(names[0], taken);
        assert!(fits(&names[0]));
    }

    proptest! {
        #[test]
        fn every_list_of_names_becomes_one_of_unique_names_that_fit(
            names in btree_set(any::<String>(), 0..20)
        ) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let fitted = provider_names(&names);
            prop_assert_eq!(fitted.len(), names.len());
            prop_assert!(fitted.iter().all(|it| fits(it)));
            let unique: std::collections::BTreeSet<&String> = fitted.iter().collect();
            prop_assert_eq!(unique.len(), names.len());
        }
    }
}
