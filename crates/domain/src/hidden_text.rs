//! Characters that a person does not see and a model reads.

/// A character that does not show, and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HiddenCharacter {
    /// How many characters stand before it.
    pub at: usize,
    pub character: char,
}

/// Returns the characters of a text that people do not see or that change the order of others:
/// controls, zero-width and bidirectional marks, tags, variation selectors that select nothing.
///
/// What emoji are made of is not among them.
pub fn hidden_characters(text: &str) -> Vec<HiddenCharacter> {
    let mut hidden = Vec::new();
    let mut before = None;
    for (at, character) in text.chars().enumerate() {
        if is_hidden(character, before) {
            hidden.push(HiddenCharacter { at, character });
        }
        before = Some(character);
    }
    hidden
}

/// Returns the text with each hidden character written out, as in `⟨U+200B⟩`.
pub fn show_hidden(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut before = None;
    for character in text.chars() {
        if is_hidden(character, before) {
            shown.push_str(&format!("⟨U+{:04X}⟩", u32::from(character)));
        } else {
            shown.push(character);
        }
        before = Some(character);
    }
    shown
}

fn is_hidden(character: char, before: Option<char>) -> bool {
    let follows_emoji = before.is_some_and(|it| {
        matches!(it, '\u{2000}'..='\u{3300}' | '\u{1F000}'..='\u{1FAFF}' | '0'..='9' | '#' | '*' | '©' | '®')
            && !is_format(it)
            || it == '\u{fe0f}'
    });
    match character {
        '\n' | '\r' | '\t' => false,
        '\u{fe0f}' => !follows_emoji || before == Some('\u{fe0f}'),
        '\u{200d}' => !follows_emoji,
        _ => character.is_control() || is_format(character),
    }
}

fn is_format(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0e}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_show_is_written_out() {
        #[track_caller]
        fn check(text: &str, shown: &str) {
            assert_eq!(show_hidden(text), shown);
            let count = shown.matches("⟨U+").count();
            assert_eq!(hidden_characters(text).len(), count);
        }
        check(
            "plain text, ünïcode, 中文 and\ttabs\n",
            "plain text, ünïcode, 中文 and\ttabs\n",
        );
        check("a\u{200b}b", "a⟨U+200B⟩b");
        check("\u{202e}txt.exe", "⟨U+202E⟩txt.exe");
        // ASCII in the invisible tags.
        check("hi\u{e0048}\u{e0049}", "hi⟨U+E0048⟩⟨U+E0049⟩");
        // Data in variation selectors.
        check("x\u{fe01}\u{fe0f}\u{e0100}", "x⟨U+FE01⟩⟨U+FE0F⟩⟨U+E0100⟩");
        check("\u{1b}[2J", "⟨U+001B⟩[2J");
        check("soft\u{ad}hyphen\u{feff}", "soft⟨U+00AD⟩hyphen⟨U+FEFF⟩");
        // Emoji are made of these.
        check(
            "⚠\u{fe0f} 👩\u{200d}💻 1\u{fe0f}\u{20e3}",
            "⚠\u{fe0f} 👩\u{200d}💻 1\u{fe0f}\u{20e3}",
        );
        check("a\u{200d}b", "a⟨U+200D⟩b");
    }

    #[test]
    fn places_are_counted_in_characters() {
        let found = hidden_characters("äö\u{200b}");
        let expected = HiddenCharacter {
            at: 2,
            character: '\u{200b}',
        };
        assert_eq!(found, [expected]);
    }
}
