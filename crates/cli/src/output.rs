//! What people and programs see. All that is printed goes through here.

use std::io::Write as _;

/// Writes a line for people, or what a program asked for, to standard output.
///
/// Whoever reads it may have gone; that is no failure of ours.
pub(crate) fn line(text: impl AsRef<str>) {
    let _reader_may_have_gone = writeln!(std::io::stdout(), "{}", text.as_ref());
}

/// Writes without an end of line.
pub(crate) fn text(text: impl AsRef<str>) {
    let mut out = std::io::stdout();
    let _reader_may_have_gone = out
        .write_all(text.as_ref().as_bytes())
        .and_then(|()| out.flush());
}

/// Writes a value as JSON, one line.
pub(crate) fn json(value: &serde_json::Value) {
    line(value.to_string());
}

/// Writes a line beside the results: progress, hints, errors.
pub(crate) fn note(text: impl AsRef<str>) {
    let _reader_may_have_gone = writeln!(std::io::stderr(), "{}", text.as_ref());
}

/// Writes rows, each column as wide as its widest field.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let fields = rows.iter().filter_map(|it| it.get(column));
        let widths = fields.map(|it| it.chars().count());
        widths.chain([header[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let show = |fields: &[&str]| {
        let padded = fields
            .iter()
            .zip(&widths)
            .map(|(it, width)| format!("{it:width$}"));
        line(padded.collect::<Vec<_>>().join("  ").trim_end());
    };
    show(header);
    for row in rows {
        show(&row.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

/// Writes out what a person does not see, so that nothing hides in a text of others.
pub(crate) fn visible(text: &str) -> String {
    harmless(&domain::show_hidden(text))
}

/// Replaces what would move a terminal's cursor or colour it: texts of servers are not ours.
pub(crate) fn harmless(text: &str) -> String {
    let replace = |it: char| match it {
        '\n' | '\t' => it,
        it if it.is_control() => '\u{fffd}',
        it => it,
    };
    text.chars().map(replace).collect()
}
