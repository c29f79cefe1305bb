//! JSON and texts of others, as a person reads them: in full, with what does not show written out.

use serde_json::value::RawValue;

/// The most lines of two texts that are compared one by one.
const LINES_MAX: usize = 1_000;

/// Returns a JSON text in lines. Strings and numbers stay as they were sent, to the last digit.
pub(crate) fn pretty(json: &RawValue) -> String {
    let mut out = String::new();
    let mut depth = 0_usize;
    let mut characters = json.get().chars().peekable();
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', 2 * depth));
    };
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                out.push('"');
                while let Some(character) = characters.next() {
                    out.push(character);
                    match character {
                        '\\' => out.extend(characters.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            '{' | '[' => {
                out.push(character);
                while characters.next_if(|it| it.is_ascii_whitespace()).is_some() {}
                match characters.next_if(|it| matches!(it, '}' | ']')) {
                    Some(end) => out.push(end),
                    None => {
                        depth += 1;
                        line(&mut out, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(character);
            }
            ',' => {
                out.push(',');
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            it if it.is_ascii_whitespace() => {}
            it => out.push(it),
        }
    }
    out
}

/// Returns a JSON text as it is read: a string as its text, everything else in lines.
pub(crate) fn readable(json: &RawValue) -> String {
    serde_json::from_str::<String>(json.get()).unwrap_or_else(|_| pretty(json))
}

/// Returns the lines of two texts: those of the first alone with `-`, of the second alone with `+`.
pub(crate) fn diff(before: &str, after: &str) -> Vec<String> {
    let before: Vec<&str> = before.lines().collect();
    let after: Vec<&str> = after.lines().collect();
    let minus = |it: &&str| format!("- {it}");
    let plus = |it: &&str| format!("+ {it}");
    if LINES_MAX < before.len().max(after.len()) {
        let before = before.iter().map(minus);
        return before.chain(after.iter().map(plus)).collect();
    }
    // How many lines the rests have in common.
    let width = after.len() + 1;
    let mut common = vec![0_usize; (before.len() + 1) * width];
    for i in (0..before.len()).rev() {
        for j in (0..after.len()).rev() {
            common[i * width + j] = match before[i] == after[j] {
                true => common[(i + 1) * width + j + 1] + 1,
                false => common[(i + 1) * width + j].max(common[i * width + j + 1]),
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut lines = Vec::new();
    while i < before.len() && j < after.len() {
        if before[i] == after[j] {
            lines.push(format!("  {}", before[i]));
            (i, j) = (i + 1, j + 1);
        } else if common[i * width + j + 1] <= common[(i + 1) * width + j] {
            lines.push(minus(&before[i]));
            i += 1;
        } else {
            lines.push(plus(&after[j]));
            j += 1;
        }
    }
    lines.extend(before[i..].iter().map(minus));
    lines.extend(after[j..].iter().map(plus));
    lines
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn json(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn json_is_shown_as_it_was_sent() {
        let shown = pretty(&json(
            r#"{"n":12345678901234567890.10,"s":"a\"},\u200b","e":{ },"l":[1,[ ],{"x":null}]}"#,
        ));
        expect![[r#"
            {
              "n": 12345678901234567890.10,
              "s": "a\"},\u200b",
              "e": {},
              "l": [
                1,
                [],
                {
                  "x": null
                }
              ]
            }"#]]
        .assert_eq(&shown);
        assert_eq!(readable(&json(r#""a\nb""#)), "a\nb");
    }

    #[test]
    fn a_difference_is_told_line_by_line() {
        expect![[r#"
              a
            - b
            + x
              c
            + d"#]]
        .assert_eq(&diff("a\nb\nc", "a\nx\nc\nd").join("\n"));
        let long = "x\n".repeat(LINES_MAX + 1);
        assert_eq!(diff(&long, "y").len(), LINES_MAX + 2);
    }
}
