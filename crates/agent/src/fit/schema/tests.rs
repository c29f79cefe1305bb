use expect_test::{Expect, expect};
use proptest::{prop_assert, proptest};
use serde_json::{Value, json};

use super::{DESCRIPTION_CHARS_MAX, SCHEMA_BYTES_MAX, fit_description, fit_schema};
use crate::validate;

#[expect(
    clippy::needless_pass_by_value,
    reason = "a table reads better without `&`"
)]
#[track_caller]
fn check(schema: Value, expected: Expect) {
    expected.assert_eq(&fit_schema(&schema).to_string());
}

/// Checks one property, which is where most of it happens.
#[expect(
    clippy::needless_pass_by_value,
    reason = "a table reads better without `&`"
)]
#[track_caller]
fn check_property(schema: Value, expected: Expect) {
    let root = json!({ "type": "object", "properties": { "x": schema } });
    expected.assert_eq(&fit_schema(&root)["properties"]["x"].to_string());
}

#[test]
fn the_root_is_always_an_object() {
    check(json!({}), expect![[r#"{"properties":{},"type":"object"}"#]]);
    check(
        json!(true),
        expect![[r#"{"properties":{},"type":"object"}"#]],
    );
    check(
        json!(null),
        expect![[r#"{"properties":{},"type":"object"}"#]],
    );
    check(
        json!({ "type": "object" }),
        expect![[r#"{"properties":{},"type":"object"}"#]],
    );
    check(
        json!({ "type": "string", "enum": ["a"] }),
        expect![[r#"{"properties":{},"type":"object"}"#]],
    );
    check(
        json!({ "anyOf": [
            { "type": "object", "properties": { "a": { "type": "string" } }, "required": ["a"] },
            { "type": "object", "properties": { "b": { "type": "integer" } }, "required": ["b"] },
        ] }),
        expect![[
            r#"{"properties":{"a":{"type":"string"},"b":{"type":"integer"}},"type":"object"}"#
        ]],
    );
}

#[test]
fn what_only_a_validator_needs_is_dropped() {
    check(
        json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "$id": "x", "$comment": "y", "title": "T", "examples": [1],
            "type": "object",
            "properties": { "a": { "type": "string", "title": "A" } },
            "required": ["a", "b"],
            "additionalProperties": false,
            "not": {}, "if": {}, "then": {},
        }),
        expect![[
            r#"{"additionalProperties":false,"properties":{"a":{"type":"string"}},"required":["a"],"type":"object"}"#
        ]],
    );
}

#[test]
fn references_are_put_in_place_and_those_into_themselves_end() {
    check(
        json!({
            "type": "object",
            "properties": {
                "at": { "$ref": "#/$defs/Point", "description": "where" },
                "tree": { "$ref": "#/definitions/Node" },
                "elsewhere": { "$ref": "https://example.com/schema" },
            },
            "$defs": { "Point": {
                "type": "object",
                "description": "a point",
                "properties": { "x": { "type": "number" } },
                "required": ["x"],
            } },
            "definitions": { "Node": {
                "type": "object",
                "properties": {
                    "name": { "type": "string" },
                    "children": { "type": "array", "items": { "$ref": "#/definitions/Node" } },
                },
            } },
        }),
        expect![[
            r#"{"properties":{"at":{"description":"where","properties":{"x":{"type":"number"}},"required":["x"],"type":"object"},"elsewhere":{},"tree":{"properties":{"children":{"items":{"type":"object"},"type":"array"},"name":{"type":"string"}},"type":"object"}},"type":"object"}"#
        ]],
    );
}

#[test]
fn types_and_unions_become_what_every_provider_reads() {
    check_property(
        json!({ "type": ["string", "null"] }),
        expect![[r#"{"type":"string"}"#]],
    );
    check_property(
        json!({ "type": ["string", "integer", "null"], "minLength": 1, "minimum": 2,
                "description": "d" }),
        expect![[
            r#"{"anyOf":[{"minLength":1,"type":"string"},{"minimum":2,"type":"integer"}],"description":"d"}"#
        ]],
    );
    check_property(
        json!({ "anyOf": [{ "type": "string" }, { "type": "null" }], "default": null }),
        expect![[r#"{"default":null,"type":"string"}"#]],
    );
    check_property(
        json!({ "oneOf": [{ "type": "string" }, { "type": "number" }] }),
        expect![[r#"{"anyOf":[{"type":"string"},{"type":"number"}]}"#]],
    );
    check_property(
        json!({ "oneOf": [{ "const": "a", "title": "A" }, { "const": "b" }] }),
        expect![[r#"{"enum":["a","b"],"type":"string"}"#]],
    );
    check_property(
        json!({ "anyOf": [{ "type": "string" }, {}] }),
        expect!["{}"],
    );
    check_property(
        json!({ "allOf": [
            { "type": "object", "properties": { "a": {} }, "required": ["a"],
              "additionalProperties": false },
            { "properties": { "b": {} }, "required": ["b"] },
        ] }),
        expect![[r#"{"properties":{"a":{},"b":{}},"required":["a","b"],"type":"object"}"#]],
    );
    check_property(
        json!({ "enum": ["a", null] }),
        expect![[r#"{"enum":["a"],"type":"string"}"#]],
    );
}

#[test]
fn arrays_have_items() {
    check_property(
        json!({ "type": "array" }),
        expect![[r#"{"items":{},"type":"array"}"#]],
    );
    check_property(
        json!({ "type": "array", "items": [{ "type": "string" }], "minItems": 1 }),
        expect![[r#"{"items":{},"minItems":1,"type":"array"}"#]],
    );
    check_property(
        json!({ "prefixItems": [{ "type": "string" }], "items": false }),
        expect![[r#"{"items":{},"type":"array"}"#]],
    );
}

#[test]
fn what_grammars_cannot_express_is_told_or_dropped() {
    check_property(
        json!({ "type": "string", "pattern": "(?=x)", "description": "an id" }),
        expect![[r#"{"description":"an id (pattern: (?=x))","type":"string"}"#]],
    );
    check_property(
        json!({ "type": "string", "format": "uri-template", "maxLength": 100_000 }),
        expect![[r#"{"type":"string"}"#]],
    );
    check_property(
        json!({ "type": "string", "format": "date-time", "maxLength": 10 }),
        expect![[r#"{"format":"date-time","maxLength":10,"type":"string"}"#]],
    );
    check_property(
        json!({ "type": "number", "minimum": 0, "exclusiveMinimum": true }),
        expect![[r#"{"minimum":0,"type":"number"}"#]],
    );
}

#[test]
fn a_property_may_be_named_like_a_keyword() {
    check(
        json!({ "type": "object", "properties": {
            "required": { "type": "array", "items": { "type": "string" } },
            "description": { "type": "string" },
            "$ref": { "type": "string" },
        }, "required": ["required"] }),
        expect![[
            r#"{"properties":{"$ref":{"type":"string"},"description":{"type":"string"},"required":{"items":{"type":"string"},"type":"array"}},"required":["required"],"type":"object"}"#
        ]],
    );
}

#[test]
fn a_schema_without_an_end_stays_small() {
    // Each level refers to the next one twice: 2^40 nodes.
    let level = |it: usize| {
        let next = json!({ "$ref": format!("#/$defs/l{}", it + 1) });
        json!({ "type": "object", "properties": { "a": next, "b": next } })
    };
    let levels: serde_json::Map<String, Value> =
        (0..40).map(|it| (format!("l{it}"), level(it))).collect();
    let schema = json!({ "$ref": "#/$defs/l0", "$defs": levels });
    let fitted = fit_schema(&schema).to_string();
    assert!(fitted.len() <= SCHEMA_BYTES_MAX, "{}", fitted.len());

    let mut deep = json!({ "type": "string" });
    for _ in 0..100 {
        deep = json!({ "type": "object", "properties": { "x": deep } });
    }
    let fitted = fit_schema(&deep).to_string();
    assert!(fitted.len() < 1_000, "{fitted}");
}

#[test]
fn long_descriptions_go_before_the_properties_do() {
    let property = json!({ "type": "string", "description": "x".repeat(900) });
    let properties: serde_json::Map<String, Value> = (0..100)
        .map(|it| (format!("p{it}"), property.clone()))
        .collect();
    let fitted = fit_schema(&json!({ "type": "object", "properties": properties }));
    assert_eq!(fitted["properties"]["p7"], json!({ "type": "string" }));
}

#[test]
fn a_description_is_cut_at_a_character() {
    assert_eq!(fit_description("short"), "short");
    let cut = fit_description(&"ü".repeat(DESCRIPTION_CHARS_MAX + 1));
    assert_eq!(cut.chars().count(), DESCRIPTION_CHARS_MAX);
    assert!(cut.ends_with("ü…"));
}

proptest! {
    /// Whatever a server takes must not be forbidden to the model.
    #[test]
    fn what_fits_the_servers_schema_fits_the_models(
        kinds in proptest::collection::vec(0_u8..7, 3),
        values in proptest::collection::vec(0_u8..7, 3),
    ) {
        let schema = |kind: u8| match kind {
            0 => json!({ "type": ["string", "integer"] }),
            1 => json!({ "anyOf": [{ "type": "string" }, { "type": "array" }] }),
            2 => json!({ "$ref": "#/$defs/o" }),
            3 => json!({ "const": "x" }),
            4 => json!({ "type": "array", "items": [{ "type": "string" }] }),
            5 => json!({ "allOf": [{ "$ref": "#/$defs/o" }, { "properties": { "b": {} } }] }),
            _ => json!({ "type": "number", "exclusiveMinimum": 3 }),
        };
        let value = |kind: u8| match kind {
            0 => json!("x"),
            1 => json!(7),
            2 => json!({ "a": 1 }),
            3 => json!({ "a": 1, "b": "c" }),
            4 => json!(["x", 1]),
            5 => json!(3.5),
            _ => json!([]),
        };
        let root = json!({
            "type": "object",
            "properties": { "p": schema(kinds[0]), "q": schema(kinds[1]), "r": schema(kinds[2]) },
            "$defs": { "o": { "type": "object", "properties": { "a": { "type": "integer" } },
                              "required": ["a"] } },
        });
        let arguments = json!({ "p": value(values[0]), "q": value(values[1]), "r": value(values[2]) });
        if validate::mismatches(&root, &arguments).is_empty() {
            let fitted = fit_schema(&root);
            prop_assert!(validate::mismatches(&fitted, &arguments).is_empty(), "{fitted} {arguments}");
        }
    }
}
