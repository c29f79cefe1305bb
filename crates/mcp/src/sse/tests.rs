use proptest::prelude::*;

use super::*;

fn read(pieces: &[&[u8]]) -> Vec<String> {
    let mut reader = Reader::new(1 << 10);
    let messages = pieces.iter().flat_map(|it| reader.push(it).unwrap());
    messages
        .map(|it| String::from_utf8(it.to_vec()).unwrap())
        .collect()
}

#[test]
fn events_are_read_with_any_end_of_line() {
    assert_eq!(
        read(&[b"data: a\n\n:x\n\ndata:b\r\ndata: c\r\n\r\ndata: d\r\r"]),
        ["a", "b\nc", "d"]
    );
    assert_eq!(read(&[b"event: message\nid: 1\ndata: a\n\n"]), ["a"]);
    assert_eq!(
        read(&[b"event: endpoint\ndata: a\n\ndata\n\ndata: b\n\n"]),
        ["b"]
    );
}

#[test]
fn an_event_that_is_too_long_is_refused() {
    let mut reader = Reader::new(10);
    assert!(reader.push(b"data: 1\n").is_ok());
    assert!(reader.push(b"data: 4567890123").is_err());
}

proptest! {
    #[test]
    fn pieces_make_no_difference(cuts in proptest::collection::vec(0_usize..60, 0..6)) {
        let all = b"event: message\r\ndata: one\r\n\r\n: k\n\ndata: two\ndata: 2\n\ndata: three\n\n";
        let mut cuts: Vec<usize> = cuts.into_iter().filter(|it| *it < all.len()).collect();
        cuts.sort_unstable();
        let mut pieces: Vec<&[u8]> = Vec::new();
        let mut from = 0;
        for cut in cuts {
            pieces.push(&all[from..cut]);
            from = cut;
        }
        pieces.push(&all[from..]);
        prop_assert_eq!(read(&pieces), ["one", "two\n2", "three"]);
    }
}
