//! Times as people write and read them, in UTC.

use domain::Timestamp;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Returns the day and the time of day, for instance `2026-03-01 12:30:05`.
pub(crate) fn show(at: Timestamp) -> String {
    let (year, month, day) = date_of(at.unix_ms / DAY_MS);
    let seconds = at.unix_ms % DAY_MS / 1_000;
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// Understands a time that has passed (`2h`, `7d`), a day, and a day with a time of day; `None` for
/// anything else.
pub(crate) fn parse(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Some(ago) = crate::config::duration_of(text) {
        let ago = u64::try_from(ago.as_millis()).ok()?;
        return Some(Timestamp {
            unix_ms: now.unix_ms.saturating_sub(ago),
        });
    }
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let days = days_to(year, month, day)?;
    let seconds = match time {
        None => 0,
        Some(time) => {
            let [hour, minute, second] = match time.len() {
                5 => numbers(&format!("{time}:00"), ':', [2, 2, 2])?,
                _ => numbers(time, ':', [2, 2, 2])?,
            };
            if 23 < hour || 59 < minute || 59 < second {
                return None;
            }
            (hour * 60 + minute) * 60 + second
        }
    };
    Some(Timestamp {
        unix_ms: days * DAY_MS + seconds * 1_000,
    })
}

/// Returns the numbers of a text with `separator` between them, each with so many digits.
fn numbers<const N: usize>(text: &str, separator: char, digits: [usize; N]) -> Option<[u64; N]> {
    let mut parts = text.split(separator);
    let mut all = [0; N];
    for (number, digits) in all.iter_mut().zip(digits) {
        let part = parts.next()?;
        if part.len() != digits || !part.bytes().all(|it| it.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(all)
}

/// Returns the days from the first of 1970 to this one, `None` where there is no such day.
fn days_to(year: u64, month: u64, day: u64) -> Option<u64> {
    if year < 1970 || !(1..=12).contains(&month) || day < 1 || days_of(year, month) < day {
        return None;
    }
    let years: u64 = (1970..year).map(days_of_year).sum();
    let months: u64 = (1..month).map(|it| days_of(year, it)).sum();
    Some(years + months + day - 1)
}

/// Returns the day that comes so many after the first of 1970.
fn date_of(mut days: u64) -> (u64, u64, u64) {
    let mut year = 1970;
    while days_of_year(year) <= days {
        days -= days_of_year(year);
        year += 1;
    }
    let mut month = 1;
    while days_of(year, month) <= days {
        days -= days_of(year, month);
        month += 1;
    }
    (year, month, days + 1)
}

const fn days_of_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

const fn days_of(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp {
        unix_ms: 1_709_210_096_789,
    };

    #[test]
    fn times_are_shown_in_utc() {
        let check =
            |unix_ms: u64, expected: &str| assert_eq!(show(Timestamp { unix_ms }), expected);
        check(0, "1970-01-01 00:00:00");
        check(951_782_399_999, "2000-02-28 23:59:59");
        check(951_782_400_000, "2000-02-29 00:00:00");
        check(NOW.unix_ms, "2024-02-29 12:34:56");
        check(4_107_542_400_000, "2100-03-01 00:00:00");
    }

    #[test]
    fn times_are_understood_as_they_are_shown_and_as_what_has_passed() {
        let check = |text: &str| parse(text, NOW).map(show);
        let is = |text: &str| Some(text.to_owned());
        assert_eq!(check("2h"), is("2024-02-29 10:34:56"));
        assert_eq!(check("90m"), is("2024-02-29 11:04:56"));
        assert_eq!(check("1d"), is("2024-02-28 12:34:56"));
        assert_eq!(check("2024-02-29"), is("2024-02-29 00:00:00"));
        assert_eq!(check("2024-02-29 12:34"), is("2024-02-29 12:34:00"));
        assert_eq!(check("2024-02-29T12:34:56Z"), is("2024-02-29 12:34:56"));
        for wrong in [
            "",
            "x",
            "2023-02-29",
            "2024-13-01",
            "2024-1-1",
            "1969-12-31",
            "2024-02-29T24:00",
            "2024-02-29 12",
            "2024-02-29-01",
            "2024-02-29T12:34:56+01:00",
            "２024-02-29",
        ] {
            assert_eq!(check(wrong), None, "{wrong}");
        }
    }
}
