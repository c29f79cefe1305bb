//! Bodies that are wrong, and what is said about them.

use expect_test::{Expect, expect};

use super::{House, api::SECRET};

async fn check_add(house: &House, body: &str, expected: Expect) {
    let answer = house.owner("POST", "/api/v1/servers", body).await;
    assert!(!answer.body.contains(SECRET), "{}", answer.body);
    expected.assert_eq(&answer.text());
}

#[tokio::test]
async fn a_body_that_is_wrong_is_refused_with_the_name_of_the_field() {
    let house = House::new().await;
    let check = |body: &'static str, expected| check_add(&house, body, expected);
    check(
        "",
        expect![[r#"
        400 Bad Request
        {"code":"invalid","message":"the body is not understood: it must be a JSON object"}"#]],
    )
    .await;
    check(
        "[1",
        expect![[r#"
        400 Bad Request
        {"code":"invalid","message":"the body is not understood: it must be a JSON object"}"#]],
    )
    .await;
    check(
        r#"["a"]"#,
        expect![[r#"
        400 Bad Request
        {"code":"invalid","message":"the body is not understood: it must be a JSON object"}"#]],
    )
    .await;
    check(
        r#"{"source": {"kind": "remote", "url": "http://x"}} {}"#,
        expect![[r#"
            400 Bad Request
            {"code":"invalid","message":"the body is not understood: trailing characters at line 1 column 51"}"#]],
    )
    .await;
    check("{} {}", expect![[r#"
        400 Bad Request
        {"code":"invalid","message":"the body is not understood: missing field `source` at line 1 column 2"}"#]]).await;
    check("{}", expect![[r#"
        400 Bad Request
        {"code":"invalid","message":"the body is not understood: missing field `source` at line 1 column 2"}"#]]).await;
    check(r#"{"sauce": 1}"#, expect![[r#"
        400 Bad Request
        {"code":"invalid","message":"`sauce`: unknown field `sauce`, expected one of `slug`, `title`, `source`, `args`, `env`, `secrets`, `give_secrets_in_clear`, `headers`, `folders`, `egress`, `isolation`, `limits`, `keep_warm`, `build_scripts` at line 1 column 8"}"#]]).await;
    check(r#"{"source": {"kind": "image"}}"#, expect![[r#"
        400 Bad Request
        {"code":"invalid","message":"`source.kind`: unknown variant `image`, expected `package` or `remote` at line 1 column 27"}"#]]).await;
    check(
        r#"{"source": {"kind": "remote", "url": "x", "headers": {}}}"#,
        expect![[r#"
            400 Bad Request
            {"code":"invalid","message":"`source`: unknown field `headers`, expected `url` at line 1 column 57"}"#]],
    )
    .await;
    check(
        r#"{"source": {"kind": "remote", "url": "x"}}"#,
        expect![[r#"
            400 Bad Request
            {"code":"invalid","message":"`x` is no address: relative URL without a base"}"#]],
    )
    .await;
    check(
        r#"{"source": {"kind": "remote", "url": "http://x"}, "slug": "A B"}"#,
        expect![[r#"
            400 Bad Request
            {"code":"invalid","message":"`slug`: server name `A B` must have 1 to 24 characters out of a-z, 0-9 and - at line 1 column 64"}"#]],
    )
    .await;
    check(
        r#"{"source": {"kind": "remote", "url": "http://x"}, "slug": "archestra"}"#,
        expect![[r#"
            400 Bad Request
            {"code":"invalid","message":"server name `archestra` is taken by the program itself","hint":"choose another one"}"#]],
    )
    .await;
    check(
        r#"{"source": {"kind": "remote", "url": "http://x"}, "args": ["a", 1]}"#,
        expect![[r#"
            400 Bad Request
            {"code":"invalid","message":"`args[1]`: invalid type: integer `1`, expected a string at line 1 column 65"}"#]],
    )
    .await;
    check(
        r#"{"source": {"kind": "remote", "url": "http://x"}, "egress": ["a.example:443", "b"]}"#,
        expect![[r#"
            400 Bad Request
            {"code":"invalid","message":"`egress[1]`: `b` is not `host:port`, for instance `api.example.com:443` at line 1 column 82"}"#]],
    )
    .await;
    check(
        r#"{"source": {"kind": "remote", "url": "http://x"}, "limits": {"calls_max": -1}}"#,
        expect![[r#"
            400 Bad Request
            {"code":"invalid","message":"`limits.calls_max`: invalid value: integer `-1`, expected u32 at line 1 column 76"}"#]],
    )
    .await;
    check(
        r#"{"source": {"kind": "remote", "url": "http://x"}, "limits": {"calls_max": 0}}"#,
        expect![[r#"
            400 Bad Request
            {"code":"invalid","message":"limit `calls_max` is 0, the least is 1"}"#]],
    )
    .await;
    check(
        r#"{"source": {"kind": "remote", "url": "http://x"}, "folders": [{"host": "/a", "inside": "b", "access": "read_only"}]}"#,
        expect![[r#"
            400 Bad Request
            {"code":"invalid","message":"`b` cannot be a folder's place inside","hint":"take an absolute path of its own, for instance `/data`"}"#]],
    )
    .await;
    check(
        r#"{"source": {"kind": "package", "registry": "npm", "name": "--evil"}}"#,
        expect![[r#"
            400 Bad Request
            {"code":"invalid","message":"`--evil` is no name of a package of npm","hint":"give the name alone, and the version by itself"}"#]],
    )
    .await;
}

#[tokio::test]
async fn secrets_need_a_word_and_no_error_repeats_them() {
    let house = House::new().await;
    let check = |body: &'static str, expected| check_add(&house, body, expected);
    check(
        r#"{"source": {"kind": "remote", "url": "http://x"}, "secrets": {"B": "sentinel-4711", "A": "x"}}"#,
        expect![[r#"
            400 Bad Request
            {"code":"secrets_not_confirmed","message":"the server would see the value of `A`, `B` in clear, and `give_secrets_in_clear` is not true","hint":"set `give_secrets_in_clear` to true if this server may see them"}"#]],
    )
    .await;
    check(
        r#"{"source": {"kind": "remote", "url": "http://x"}, "secrets": "sentinel-4711"}"#,
        expect![[r#"
            400 Bad Request
            {"code":"invalid","message":"`secrets` must be an object of names and values"}"#]],
    )
    .await;
    check(
        r#"{"source": {"kind": "remote", "url": "http://x"}, "secrets": {"A": ["sentinel-4711"]}}"#,
        expect![[r#"
            400 Bad Request
            {"code":"invalid","message":"`secrets.A` must be a text"}"#]],
    )
    .await;
    check(
        r#"{"source": {"kind": "remote", "url": "http://x"}, "secrets": {"1A": "sentinel-4711"}, "give_secrets_in_clear": true}"#,
        expect![[r#"
            400 Bad Request
            {"code":"invalid","message":"`secrets`: environment variable `1A` must be letters, digits and _, not begin with a digit, and have at most 128 characters"}"#]],
    )
    .await;
    let list = house.owner("GET", "/api/v1/servers", "").await;
    assert_eq!(list.body, r#"{"servers":[]}"#);
}
