use super::*;

fn frame(stream: u8, text: &str) -> Vec<u8> {
    let mut frame = vec![stream, 0, 0, 0];
    frame.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
    frame.extend(text.as_bytes());
    frame
}

#[test]
fn lines_of_both_streams_come_in_their_order() {
    let frames = [frame(1, "one\n"), frame(2, "two\n\n"), frame(1, "three")].concat();
    assert_eq!(last_lines(&frames), ["one", "two", "three"]);
}

#[test]
fn only_the_last_lines_are_kept_and_each_is_cut() {
    let text: String = (0..50).map(|it| format!("{it}\n")).collect();
    let lines = last_lines(&frame(1, &text));
    assert_eq!(lines.len(), LAST_LINES_MAX);
    assert_eq!(lines.last().unwrap(), "49");
    assert_eq!(last_lines(&frame(1, &"x".repeat(10_000)))[0].len(), 500);
}

#[test]
fn what_is_not_a_frame_is_no_panic() {
    assert_eq!(last_lines(&[]), [""; 0]);
    assert_eq!(last_lines(&[1, 0, 0]), [""; 0]);
    assert_eq!(last_lines(&[1, 0, 0, 0, 255, 255, 255, 255, b'a']), ["a"]);
    assert_eq!(last_lines(&frame(1, "a\x1b[2Jb\n")), ["a [2Jb"]);
}
