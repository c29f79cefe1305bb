use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(text: &str, expected: Expect) {
    let raw = RawValue::from_string(text.to_owned()).unwrap();
    let actual = match Object::parse(&raw) {
        Ok(mut object) => {
            object.set_text("name", "new");
            object.to_raw().get().to_owned()
        }
        Err(err) => format!("error: {err}"),
    };
    expected.assert_eq(&actual);
}

#[test]
fn one_field_is_replaced_and_all_others_keep_their_bytes() {
    check(
        r#"{"a": 1.0e5, "name":"old", "b":{"n":12345678901234567890123,"u":"\u00e9"}}"#,
        expect![[r#"{"a":1.0e5,"name":"new","b":{"n":12345678901234567890123,"u":"\u00e9"}}"#]],
    );
    check("{}", expect![[r#"{"name":"new"}"#]]);
}

#[test]
fn a_key_that_stands_twice_is_refused() {
    check(
        r#"{"a":1,"a":2}"#,
        expect!["error: key `a` stands twice at line 1 column 10"],
    );
    check(
        r#"{"name":1,"Name":2}"#,
        expect!["error: keys `name` and `Name` differ in letter case alone at line 1 column 16"],
    );
    check(
        r#"{"\u0061":1,"a":2}"#,
        expect!["error: key `a` stands twice at line 1 column 15"],
    );
    check(
        "[1]",
        expect!["error: invalid type: sequence, expected an object at line 1 column 0"],
    );
}

proptest! {
    #[test]
    fn what_is_not_touched_is_what_was_sent(
        keys in proptest::collection::btree_set("[a-z]{2,8}", 0..8),
        number in any::<u64>(),
        text in ".*",
    ) {
        let mut text_form = String::from("{");
        for (at, key) in keys.iter().enumerate() {
            if at != 0 { text_form.push(','); }
            let value = raw(&(number, &text, [[key]]));
            text_form.push_str(&format!("{}:{}", raw(key).get(), value.get()));
        }
        text_form.push('}');
        let sent = RawValue::from_string(text_form).unwrap();
        let object = Object::parse(&sent).unwrap();
        let again = object.to_raw();
        prop_assert_eq!(again.get(), sent.get());
    }
}
