use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::mismatches;

#[expect(
    clippy::needless_pass_by_value,
    reason = "a table reads better without `&`"
)]
#[track_caller]
fn check(schema: Value, value: Value, expected: Expect) {
    expected.assert_eq(&mismatches(&schema, &value).join("\n"));
}

fn weather() -> Value {
    json!({
        "type": "object",
        "properties": {
            "city": { "type": "string", "minLength": 2 },
            "days": { "type": "integer", "minimum": 1, "maximum": 7 },
            "unit": { "enum": ["c", "f"] },
            "points": { "type": "array", "items": { "$ref": "#/$defs/point" }, "maxItems": 2 },
            "when": { "anyOf": [{ "type": "string" }, { "type": "integer" }] },
        },
        "required": ["city"],
        "additionalProperties": false,
        "$defs": { "point": {
            "type": "object",
            "properties": { "x": { "type": "number", "exclusiveMinimum": 0 } },
            "required": ["x"],
        } },
    })
}

#[test]
fn what_fits_is_not_spoken_of() {
    check(weather(), json!({ "city": "Oslo" }), expect![""]);
    check(
        weather(),
        json!({ "city": "Oslo", "days": 3.0, "unit": "c", "points": [{ "x": 1 }], "when": 5 }),
        expect![""],
    );
    check(json!(true), json!({ "a": 1 }), expect![""]);
    check(json!({ "type": "unheard-of" }), json!(1), expect![""]);
    check(json!({ "$ref": "#/nowhere" }), json!(1), expect![""]);
}

#[test]
fn each_mismatch_names_its_place() {
    check(
        weather(),
        json!({ "days": "3", "town": 1 }),
        expect![[r#"
            `city` is missing
            `days` must be of type `integer` and is `"3"`
            `town` is not an argument"#]],
    );
    check(
        weather(),
        json!({ "city": "O", "days": 8, "unit": "k", "points": [{ "x": 1 }, {}, { "x": 0 }] }),
        expect![[r#"
            `city` must be at least 2 characters and is 1
            `days` must be at most 7 and is 8
            `points` must be at most 2 items and is 3
            `unit` must be one of "c", "f" and is `"k"`"#]],
    );
    check(
        weather(),
        json!({ "city": "Oslo", "points": [{ "x": 0 }, {}], "when": true }),
        expect![[r#"
            `points[0].x` is `0`, which is out of its range
            `points[1].x` is missing
            `when` fits none of the forms it may have; of one: `when` must be of type `string` and is `true`"#]],
    );
    check(
        weather(),
        json!("Oslo"),
        expect![[r#"the arguments must be of type `object` and is `"Oslo"`"#]],
    );
}

#[test]
fn only_the_first_mismatches_are_told() {
    let properties: serde_json::Map<String, Value> =
        (0..50).map(|it| (format!("p{it}"), json!(1))).collect();
    let found = mismatches(
        &json!({ "additionalProperties": { "type": "string" } }),
        &Value::Object(properties),
    );
    assert_eq!(found.len(), 5);
}

#[test]
fn a_schema_that_leads_into_itself_ends() {
    check(json!({ "$ref": "#" }), json!({ "a": 1 }), expect![""]);
    let twice = json!({ "allOf": [{ "$ref": "#" }, { "$ref": "#" }] });
    check(twice, json!({}), expect![""]);
}
