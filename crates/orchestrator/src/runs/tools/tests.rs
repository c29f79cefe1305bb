use agent::{ElicitationAction, ToolOutcome};
use domain::ServerSlug;
use gateway::CallError;
use serde_json::{Value, json, value::to_raw_value};

use super::{answer_of, error_outcome, progress_of, question_of};

#[test]
fn a_call_without_a_result_says_what_to_do() {
    let server = ServerSlug::new("thing").unwrap();
    let told = |err: CallError| match error_outcome(err, Value::Null, "http://here") {
        ToolOutcome::Result(result) => {
            assert!(result.is_error);
            result.content["content"][0]["text"].to_string()
        }
        ToolOutcome::Unknown { why } => format!("unknown: {why}"),
        other => panic!("{other:?}"),
    };
    let text = told(CallError::NotStarted {
        server: server.clone(),
        reason: "no such command".to_owned(),
    });
    assert!(text.contains("no such command") && text.contains("http://here/servers/thing"));
    assert!(told(CallError::Cancelled).starts_with("unknown: the run was stopped"));
}

#[test]
fn a_question_is_read_as_the_protocol_has_it() {
    let read = |params: Value| question_of("id".to_owned(), &to_raw_value(&params).unwrap());
    let form = read(json!({ "message": "name?", "requestedSchema": { "type": "object" } }));
    assert_eq!(form.message, "name?");
    assert_eq!(form.schema, Some(json!({ "type": "object" })));
    assert_eq!(form.url, None);
    let url = read(json!({ "mode": "url", "message": "there", "url": "https://x.test" }));
    assert_eq!(url.url.as_deref(), Some("https://x.test"));
    assert_eq!(url.schema, None);
}

#[test]
fn an_answer_has_content_only_where_it_is_a_yes() {
    let content = json!({ "a": 1 });
    let check = |action, expected: &str| {
        assert_eq!(answer_of(action, Some(&content)).get(), expected);
    };
    check(
        ElicitationAction::Accept,
        r#"{"action":"accept","content":{"a":1}}"#,
    );
    check(ElicitationAction::Decline, r#"{"action":"decline"}"#);
    check(ElicitationAction::Cancel, r#"{"action":"cancel"}"#);
}

#[test]
fn progress_that_makes_no_sense_is_no_progress() {
    let params = json!({ "progress": "half", "total": 2, "message": 7 });
    let progress = progress_of(&to_raw_value(&params).unwrap());
    assert_eq!((progress.progress, progress.total), (None, Some(2.0)));
    assert_eq!(progress.message, None);
}
