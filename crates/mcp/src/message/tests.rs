use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(text: &str, expected: Expect) {
    let get = |it: Option<&RawValue>| it.map_or("-", RawValue::get).to_owned();
    let actual = match Message::parse(text.as_bytes()) {
        Ok(Message::Request { id, method, params }) => {
            format!("request {id} {method} {}", get(params))
        }
        Ok(Message::Notification { method, params }) => {
            format!("notification {method} {}", get(params))
        }
        Ok(Message::Response { id, outcome }) => format!("response {} {outcome:?}", get(id)),
        Err(err) => format!("{} {err}", err.code()),
    };
    expected.assert_eq(&actual);
}

#[test]
fn messages_are_told_apart() {
    check(
        r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"x"}}"#,
        expect![[r#"request "a" tools/call {"name":"x"}"#]],
    );
    check(
        r#"{"method":"ping","id":-1,"jsonrpc":"2.0","x":[]}"#,
        expect!["request -1 ping -"],
    );
    check(
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        expect!["notification notifications/initialized -"],
    );
    check(
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        expect!["response 1 Ok(RawValue({}))"],
    );
    check(
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":1}}"#,
        expect![[r#"response - Err(RawValue({"code":1}))"#]],
    );
}

#[test]
fn what_is_no_message_is_told_why() {
    check(
        "{",
        expect!["-32700 not valid JSON: EOF while parsing an object at line 1 column 1"],
    );
    check(
        r#"{"jsonrpc":"2.0","id":1,"method":"a"} x"#,
        expect!["-32700 not valid JSON: trailing characters at line 1 column 39"],
    );
    check(
        "[]",
        expect![
            "-32600 not a JSON-RPC 2.0 message: invalid type: sequence, expected a JSON-RPC message at line 1 column 0"
        ],
    );
    check(
        r#"{"id":1,"method":"a"}"#,
        expect![[r#"-32600 not a JSON-RPC 2.0 message: `jsonrpc` must be "2.0""#]],
    );
    check(
        r#"{"jsonrpc":"2.0","id":null,"method":"a"}"#,
        expect![
            "-32600 not a JSON-RPC 2.0 message: `id` must be a text or a number of at most 1024 bytes"
        ],
    );
    check(
        r#"{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}"#,
        expect!["-32600 not a JSON-RPC 2.0 message: key `method` stands twice at line 1 column 50"],
    );
    check(
        r#"{"jsonrpc":"2.0","id":1,"method":"a","Method":"b"}"#,
        expect![
            "-32600 not a JSON-RPC 2.0 message: key `Method` must be written `method` at line 1 column 45"
        ],
    );
    check(
        r#"{"jsonrpc":"2.0","id":1,"method":"a","params":3}"#,
        expect!["-32600 not a JSON-RPC 2.0 message: `params` must be an object"],
    );
    check(
        r#"{"jsonrpc":"2.0","id":1,"method":"a","result":3}"#,
        expect![
            "-32600 not a JSON-RPC 2.0 message: more than one of `method`, `result` and `error`"
        ],
    );
}

#[test]
fn what_is_too_deep_is_refused_and_brackets_in_texts_do_not_count() {
    let deep = |n: usize| {
        let params = format!("{}{}", "[".repeat(n), "]".repeat(n));
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{params}}}"#)
    };
    assert!(Message::parse(deep(127).as_bytes()).is_ok());
    assert_eq!(
        Message::parse(deep(128).as_bytes()).unwrap_err(),
        ParseError::Depth
    );
    assert_eq!(
        Message::parse("[".repeat(1 << 20).as_bytes()).unwrap_err(),
        ParseError::Depth
    );
    let text = format!(
        r#"{{"jsonrpc":"2.0","id":1,"result":"\"{}"}}"#,
        "[".repeat(1000)
    );
    assert!(Message::parse(text.as_bytes()).is_ok());
}

#[test]
fn what_is_made_is_one_line_and_read_back() {
    let params = RawValue::from_string("{\n \"a\":\r\n\"\\n\"}".to_owned()).unwrap();
    let bytes = request(7, "tools/call", Some(&params));
    assert!(!bytes.contains(&b'\n'));
    expect![[r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{  "a":  "\n"}}"#]]
        .assert_eq(std::str::from_utf8(&bytes).unwrap());
    let error = RpcError::new(code::SERVER, "no \"x\"");
    let bytes = error_response(None, &error);
    expect![[r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"no \"x\""}}"#]]
        .assert_eq(std::str::from_utf8(&bytes).unwrap());
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _message = Message::parse(&bytes);
    }
}
