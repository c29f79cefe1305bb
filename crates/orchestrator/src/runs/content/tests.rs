use agent::{Conversation, HistoryItem, RunEvent, UserPart};
use serde_json::json;

use super::{Kept, MessagePart, bounded, check_parts, fit, title_of, user_part};

fn text(text: &str) -> MessagePart {
    MessagePart::Text {
        text: text.to_owned(),
    }
}

#[test]
fn a_title_is_the_first_words_of_a_message() {
    let check = |it: &str, expected: Option<&str>| {
        assert_eq!(title_of(&[text(it)]).as_deref(), expected, "{it:?}");
    };
    check("How are\n  you?", Some("How are you?"));
    check(" \n ", None);
    check("\u{7}", None);
    let long = "word ".repeat(40);
    let words = format!("{}…", ["word"; 12].join(" "));
    check(&long, Some(&words));
    let one = format!("{}…", "ü".repeat(59));
    check(&"ü".repeat(100), Some(&one));
    let image = MessagePart::File {
        media_type: "image/png".to_owned(),
        url: "data:image/png;base64,AAAA".to_owned(),
        filename: None,
    };
    assert_eq!(title_of(&[image]), None);
}

#[test]
fn what_is_too_long_to_be_kept_loses_images_and_then_the_oldest_results() {
    let result = |call_id: &str, content: serde_json::Value| RunEvent::ToolResult {
        call_id: call_id.to_owned(),
        content: json!({ "content": [content] }),
        is_error: false,
        duration_ms: 1,
        cut_bytes: 0,
        facts: None,
    };
    let events = [
        result("a", json!({ "type": "text", "text": "a".repeat(500) })),
        result("b", json!({ "type": "image", "data": "b".repeat(500) })),
        result("c", json!({ "type": "text", "text": "c".repeat(500) })),
    ];
    let check = |bytes_max: usize, expected: [bool; 3]| {
        let kept = bounded(&events, bytes_max);
        let has = ["aaa", "bbb", "ccc"].map(|it| kept.contains(it));
        assert_eq!(has, expected, "{bytes_max}: {kept}");
    };
    check(10_000, [true, true, true]);
    check(1_700, [true, false, true]);
    check(1_000, [false, false, true]);
    check(10, [false, false, false]);
}

#[test]
fn what_only_matters_while_it_is_written_is_not_kept() {
    let mut kept = Kept::default();
    for text in ["a", "b", "c"] {
        kept.push(RunEvent::TextDelta {
            part: 1,
            text: text.to_owned(),
        });
        kept.push(RunEvent::ToolInputDelta {
            call_id: "x".to_owned(),
            text: text.to_owned(),
        });
    }
    let answer = kept.answer();
    let events: Vec<RunEvent> = serde_json::from_str(&answer.content).unwrap();
    let whole = RunEvent::TextDelta {
        part: 1,
        text: "abc".to_owned(),
    };
    assert_eq!(events, [whole]);
}

#[test]
fn the_oldest_messages_go_until_the_rest_fits_and_the_last_one_stays() {
    let said = |it: &str| HistoryItem::User(vec![UserPart::Text(it.to_owned())]);
    let items = [said("one"), said("two"), said(&"three ".repeat(100))];
    let fitted = |tokens_max| {
        let mut conversation = Conversation::new(String::new(), &items, "p", "m");
        let gone = fit(&mut conversation, tokens_max);
        assert_eq!(gone + conversation.messages.len(), 3);
        gone
    };
    assert_eq!(fitted(10_000), 0);
    assert_eq!(fitted(10), 2);
    let all = agent::estimate_conversation(&Conversation::new(String::new(), &items, "p", "m"));
    assert_eq!(fitted(all), 0);
    assert_eq!(fitted(all - 1), 1);
}

#[test]
fn a_text_file_is_read_by_the_model_and_one_that_is_none_is_refused() {
    let file = |media_type: &str, data: &str| MessagePart::File {
        media_type: media_type.to_owned(),
        url: format!("data:{media_type};base64,{data}"),
        filename: Some("notes.txt".to_owned()),
    };
    let good = file("text/plain", "Z3LDvG4=");
    check_parts(std::slice::from_ref(&good), 1_000).unwrap();
    let text = "The file `notes.txt`:\n\ngrün".to_owned();
    assert_eq!(user_part(good), Some(UserPart::Text(text)));
    let no_text = check_parts(&[file("text/csv", "/////w==")], 1_000);
    let message = no_text.unwrap_err().to_string();
    assert!(message.contains("no text in UTF-8"), "{message}");
}
