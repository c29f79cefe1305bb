use serde_json::{Map, Value, json};

/// Blocks of one result. The rest is left out.
const BLOCKS_MAX: usize = 200;
/// Of a text that is cut, this part of what is kept is its end: errors and sums stand there.
const TAIL_PARTS: usize = 4;

/// What is kept of a call's result.
#[derive(Debug, Clone, Copy)]
pub struct ResultBounds {
    /// All but images, as JSON.
    pub bytes_max: usize,
    /// Images, encoded.
    pub image_bytes_max: usize,
}

/// A result within its bounds. What was taken away is said in its text, too.
#[derive(Debug, Clone, PartialEq)]
pub struct Bounded {
    pub content: Value,
    pub cut_bytes: u64,
}

/// Returns what is kept of an MCP result.
///
/// A text that is too long loses its middle, at characters; an image, and what a program would
/// read (`structuredContent`), is there whole or not at all.
pub fn bound_result(result: Value, bounds: ResultBounds) -> Bounded {
    let Value::Object(mut result) = result else {
        let text = match result {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let wrapped = json!({ "content": [{ "type": "text", "text": text }] });
        return bound_result(wrapped, bounds);
    };
    let blocks = match result.remove("content") {
        Some(Value::Array(blocks)) => blocks,
        Some(other) => vec![json!({ "type": "text", "text": other.to_string() })],
        None => Vec::new(),
    };
    let mut budget = Budget {
        bytes: bounds.bytes_max,
        image_bytes: bounds.image_bytes_max,
        cut_bytes: 0,
    };
    let left_out = blocks.len().saturating_sub(BLOCKS_MAX);
    let mut kept = Vec::new();
    for (index, block) in blocks.into_iter().enumerate() {
        if index < BLOCKS_MAX {
            kept.push(budget.keep(block));
        } else {
            budget.cut_bytes += size(&block);
        }
    }
    if left_out != 0 {
        kept.push(note(&format!(
            "[{left_out} further parts were left out here]"
        )));
    }
    let mut out = Map::new();
    if !kept.is_empty() || result.is_empty() {
        out.insert("content".to_owned(), Value::Array(kept));
    }
    for (key, value) in result {
        if let Some(value) = budget.keep_whole(value) {
            out.insert(key, value);
        }
    }
    Bounded {
        content: Value::Object(out),
        cut_bytes: budget.cut_bytes as u64,
    }
}

struct Budget {
    bytes: usize,
    image_bytes: usize,
    cut_bytes: usize,
}

impl Budget {
    fn keep(&mut self, block: Value) -> Value {
        let is_binary = matches!(block["type"].as_str(), Some("image" | "audio"));
        let bytes = size(&block);
        if is_binary {
            if bytes <= self.image_bytes {
                self.image_bytes -= bytes;
                return block;
            }
            self.cut_bytes += bytes;
            let (what, limit) = (&block["mimeType"], self.image_bytes);
            return note(&format!(
                "[{what} of {bytes} bytes was left out here, since {limit} bytes may be kept]"
            ));
        }
        if bytes <= self.bytes {
            self.bytes -= bytes;
            return block;
        }
        if let (Some("text"), Some(text)) = (block["type"].as_str(), block["text"].as_str()) {
            let (text, cut_bytes) = cut_text(text, self.bytes);
            self.bytes = 0;
            self.cut_bytes += cut_bytes;
            return note(&text);
        }
        if let Some(text) = block["resource"]["text"].as_str() {
            let (text, cut_bytes) = cut_text(text, self.bytes);
            self.bytes = 0;
            self.cut_bytes += cut_bytes;
            let mut resource = block["resource"].clone();
            resource["text"] = json!(text);
            return json!({ "type": "resource", "resource": resource });
        }
        self.cut_bytes += bytes;
        let kind = &block["type"];
        note(&format!(
            "[a part of type {kind} and {bytes} bytes was left out here]"
        ))
    }

    fn keep_whole(&mut self, value: Value) -> Option<Value> {
        let bytes = size(&value);
        if bytes <= self.bytes {
            self.bytes -= bytes;
            return Some(value);
        }
        self.cut_bytes += bytes;
        None
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(|it| size(it) + 1).sum::<usize>() + 2,
        Value::Object(object) => object
            .iter()
            .map(|(key, it)| key.len() + 4 + size(it))
            .sum(),
        other => other.to_string().len(),
    }
}

fn note(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

/// Returns `text` with so much taken out of its middle that about `bytes_max` are left, and how
/// much that was.
fn cut_text(text: &str, bytes_max: usize) -> (String, usize) {
    if text.len() <= bytes_max {
        return (text.to_owned(), 0);
    }
    let tail = bytes_max / TAIL_PARTS;
    let head_end = text.floor_char_boundary(bytes_max - tail);
    let tail_start = text.ceil_char_boundary(text.len() - tail);
    let cut_bytes = tail_start - head_end;
    let (head, tail) = (&text[..head_end], &text[tail_start..]);
    let cut = format!("{head}\n[{cut_bytes} bytes were cut here; ask for less at a time]\n{tail}");
    (cut, cut_bytes)
}

#[cfg(test)]
mod tests {
    use super::{Bounded, ResultBounds, bound_result};
    use expect_test::{Expect, expect};
    use proptest::{prelude::any, prop_assert, proptest};
    use serde_json::{Value, json};

    const SMALL: ResultBounds = ResultBounds {
        bytes_max: 60,
        image_bytes_max: 80,
    };

    #[track_caller]
    fn check(result: Value, expected: Expect) {
        let Bounded { content, cut_bytes } = bound_result(result, SMALL);
        expected.assert_eq(&format!("{cut_bytes} {content}"));
    }

    #[test]
    fn what_fits_is_kept_as_it_is() {
        check(
            json!({ "content": [{ "type": "text", "text": "hi" }], "extra": 1 }),
            expect![[r#"0 {"content":[{"text":"hi","type":"text"}],"extra":1}"#]],
        );
        check(json!({}), expect![[r#"0 {"content":[]}"#]]);
        check(
            json!("words"),
            expect![[r#"0 {"content":[{"text":"words","type":"text"}]}"#]],
        );
    }

    #[test]
    fn a_long_text_loses_its_middle_and_says_so() {
        check(
            json!({ "content": [
                { "type": "text", "text": format!("begin{}end", "ü".repeat(100)) },
                { "type": "text", "text": "more" },
            ] }),
            expect![[
                r#"152 {"content":[{"text":"beginüüüüüüüüüüüüüüüüüüüü\n[148 bytes were cut here; ask for less at a time]\nüüüüüüend","type":"text"},{"text":"\n[4 bytes were cut here; ask for less at a time]\n","type":"text"}]}"#
            ]],
        );
    }

    #[test]
    fn images_and_data_are_whole_or_not_there() {
        check(
            json!({
                "content": [
                    { "type": "image", "mimeType": "image/png", "data": "AAAA" },
                    { "type": "image", "mimeType": "image/png", "data": "A".repeat(100) },
                ],
                "structuredContent": { "rows": "x".repeat(100) },
            }),
            expect![[
                r#"258 {"content":[{"data":"AAAA","mimeType":"image/png","type":"image"},{"text":"[\"image/png\" of 148 bytes was left out here, since 28 bytes may be kept]","type":"text"}]}"#
            ]],
        );
        check(
            json!({ "content": [
                { "type": "resource", "resource": { "uri": "file:///a", "text": "y".repeat(200) } },
                { "type": "odd", "data": "z".repeat(100) },
            ] }),
            expect![[
                r#"263 {"content":[{"resource":{"text":"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\n[140 bytes were cut here; ask for less at a time]\nyyyyyyyyyyyyyyy","uri":"file:///a"},"type":"resource"},{"text":"[a part of type \"odd\" and 123 bytes was left out here]","type":"text"}]}"#
            ]],
        );
    }

    #[test]
    fn parts_by_the_thousand_are_left_out() {
        let blocks = vec![json!({ "type": "text", "text": "" }); 1_000];
        let bounds = ResultBounds {
            bytes_max: 1 << 20,
            image_bytes_max: 0,
        };
        let bounded = bound_result(json!({ "content": blocks }), bounds);
        let kept = bounded.content["content"].as_array().unwrap();
        assert_eq!(kept.len(), 201);
        assert_eq!(kept[200]["text"], "[800 further parts were left out here]");
        assert!(bounded.cut_bytes > 0);
    }

    proptest! {
        #[test]
        fn any_text_is_cut_at_characters(text in any::<String>(), bytes_max in 0_usize..200) {
            let bounds = ResultBounds { bytes_max, image_bytes_max: 0 };
            let result = json!({ "content": [{ "type": "text", "text": text }] });
            let bounded = bound_result(result, bounds);
            let kept = bounded.content["content"][0]["text"].as_str().unwrap();
            prop_assert!(kept.len() <= bytes_max + 60);
        }
    }
}
