/// The most lines of a sandbox's log that are shown with an error.
pub(super) const LAST_LINES_MAX: usize = 20;
/// The most characters of one of them.
const LINE_CHARS_MAX: usize = 500;

/// Returns the last lines out of the frames that Podman's log endpoint sends.
///
/// A frame is `stream: u8 | 0 0 0 | length: u32 BE | text`. What follows a broken frame is left out.
pub(super) fn last_lines(frames: &[u8]) -> Vec<String> {
    let mut rest = frames;
    let mut text = Vec::new();
    while let Some((header, after)) = rest.split_first_chunk::<8>() {
        let [_, _, _, _, len @ ..] = *header;
        let len = (u32::from_be_bytes(len) as usize).min(after.len());
        text.extend_from_slice(&after[..len]);
        rest = &after[len..];
    }
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().filter(|it| !it.trim().is_empty()).collect();
    let first = lines.len().saturating_sub(LAST_LINES_MAX);
    lines[first..].iter().map(|it| printable(it)).collect()
}

/// A hostile process may write what moves a terminal's cursor.
fn printable(line: &str) -> String {
    line.trim_end()
        .chars()
        .take(LINE_CHARS_MAX)
        .map(|it| if it.is_control() { ' ' } else { it })
        .collect()
}

#[cfg(test)]
mod tests;
