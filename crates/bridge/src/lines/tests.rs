use domain::wire::{FRAME_HEADER_BYTES, FrameHeader, LINE_BYTES_MAX};
use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

fn frames(mut bytes: &[u8]) -> Vec<String> {
    let mut frames = Vec::new();
    while let Some((header, rest)) = bytes.split_first_chunk::<FRAME_HEADER_BYTES>() {
        let header = FrameHeader::decode(*header, LINE_BYTES_MAX).unwrap();
        let (payload, rest) = rest.split_at(header.payload_len());
        frames.push(match header.decode_payload(payload).unwrap() {
            Frame::Stdout(line) => format!("out {}", String::from_utf8_lossy(line)),
            Frame::Stderr(line) => format!("err {}", String::from_utf8_lossy(line)),
            other => format!("{other:?}"),
        });
        bytes = rest;
    }
    frames
}

fn check(mut lines: Lines, chunks: &[&str], expected: Expect) {
    let mut out = Vec::new();
    for chunk in chunks {
        lines.feed(chunk.as_bytes(), &mut out);
    }
    lines.finish(&mut out);
    expected.assert_eq(&frames(&out).join("\n"));
}

#[test]
fn lines_are_put_together_from_pieces() {
    check(
        Lines::of_stdout(100),
        &["one\ntw", "o\n\nth", "ree"],
        expect![[r#"
            out one
            out two
            out 
            out three"#]],
    );
}

#[test]
fn a_line_over_its_bound_is_counted_and_the_next_one_is_read() {
    check(
        Lines::of_stdout(4),
        &["1234\n12345\nok\n123", "45", "678\nok\n123456"],
        expect![[r#"
            out 1234
            LineTooLong { bytes: 5 }
            out ok
            LineTooLong { bytes: 8 }
            out ok
            LineTooLong { bytes: 6 }"#]],
    );
}

#[test]
fn a_long_line_of_stderr_becomes_several() {
    let mut lines = Lines::of_stderr();
    let mut out = Vec::new();
    let text = "x".repeat(STDERR_LINE_BYTES_MAX);
    lines.feed(format!("{text}yy\nz").as_bytes(), &mut out);
    lines.finish(&mut out);
    assert_eq!(
        frames(&out),
        [format!("err {text}"), "err yy".into(), "err z".into()]
    );
}

proptest! {
    #[test]
    fn it_makes_no_difference_how_the_output_is_cut(
        text in proptest::collection::vec(proptest::sample::select(vec![b'a', b'\n']), 0..200),
        cuts in proptest::collection::vec(1_usize..20, 1..40),
    ) {
        let mut whole = Vec::new();
        let mut lines = Lines::of_stdout(7);
        lines.feed(&text, &mut whole);
        lines.finish(&mut whole);

        let mut cut = Vec::new();
        let mut lines = Lines::of_stdout(7);
        let mut rest = text.as_slice();
        for len in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, tail) = rest.split_at((*len).min(rest.len()));
            lines.feed(piece, &mut cut);
            rest = tail;
        }
        lines.finish(&mut cut);
        prop_assert_eq!(whole, cut);
    }
}
