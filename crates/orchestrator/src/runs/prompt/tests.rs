use agent::{NoticeKind, RunEvent};
use domain::Timestamp;

use super::{cut_notice, day};

#[test]
fn a_day_is_told_in_words() {
    let check = |unix_days: u64, expected: &str| {
        let at = Timestamp {
            unix_ms: unix_days * 86_400_000 + 86_399_999,
        };
        assert_eq!(day(at), expected);
    };
    check(0, "Thursday, 1970-01-01");
    check(11_016, "Tuesday, 2000-02-29");
    check(11_017, "Wednesday, 2000-03-01");
    check(20_760, "Tuesday, 2026-11-03");
    check(47_540, "Sunday, 2100-02-28");
    check(47_541, "Monday, 2100-03-01");
}

#[test]
fn what_a_model_does_not_see_is_told() {
    assert_eq!(cut_notice(0, false, "m"), None);
    for (gone, is_cut, part) in [(3, false, "oldest 3"), (0, true, "last 1000")] {
        let Some(RunEvent::Notice { kind, text }) = cut_notice(gone, is_cut, "m") else {
            panic!("nothing is told")
        };
        assert_eq!(kind, NoticeKind::ContextCut);
        assert!(text.contains(part), "{text}");
    }
}
