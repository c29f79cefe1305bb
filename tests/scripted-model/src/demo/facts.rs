//! What stands in a message: words, places, times, numbers, addresses, paths, quotations.

/// Cities that people try first, with their time zones.
const CITIES: &[(&str, &str)] = &[
    ("amsterdam", "Europe/Amsterdam"),
    ("athens", "Europe/Athens"),
    ("auckland", "Pacific/Auckland"),
    ("bangkok", "Asia/Bangkok"),
    ("beijing", "Asia/Shanghai"),
    ("berlin", "Europe/Berlin"),
    ("bogota", "America/Bogota"),
    ("boston", "America/New_York"),
    ("brussels", "Europe/Brussels"),
    ("buenos aires", "America/Argentina/Buenos_Aires"),
    ("cairo", "Africa/Cairo"),
    ("cape town", "Africa/Johannesburg"),
    ("chicago", "America/Chicago"),
    ("copenhagen", "Europe/Copenhagen"),
    ("delhi", "Asia/Kolkata"),
    ("denver", "America/Denver"),
    ("dubai", "Asia/Dubai"),
    ("dublin", "Europe/Dublin"),
    ("helsinki", "Europe/Helsinki"),
    ("hong kong", "Asia/Hong_Kong"),
    ("istanbul", "Europe/Istanbul"),
    ("jakarta", "Asia/Jakarta"),
    ("johannesburg", "Africa/Johannesburg"),
    ("kyiv", "Europe/Kyiv"),
    ("lagos", "Africa/Lagos"),
    ("lisbon", "Europe/Lisbon"),
    ("london", "Europe/London"),
    ("los angeles", "America/Los_Angeles"),
    ("madrid", "Europe/Madrid"),
    ("melbourne", "Australia/Melbourne"),
    ("mexico city", "America/Mexico_City"),
    ("montreal", "America/Toronto"),
    ("mumbai", "Asia/Kolkata"),
    ("munich", "Europe/Berlin"),
    ("nairobi", "Africa/Nairobi"),
    ("new york", "America/New_York"),
    ("oslo", "Europe/Oslo"),
    ("paris", "Europe/Paris"),
    ("prague", "Europe/Prague"),
    ("rome", "Europe/Rome"),
    ("san francisco", "America/Los_Angeles"),
    ("sao paulo", "America/Sao_Paulo"),
    ("seattle", "America/Los_Angeles"),
    ("seoul", "Asia/Seoul"),
    ("shanghai", "Asia/Shanghai"),
    ("singapore", "Asia/Singapore"),
    ("stockholm", "Europe/Stockholm"),
    ("sydney", "Australia/Sydney"),
    ("taipei", "Asia/Taipei"),
    ("tel aviv", "Asia/Jerusalem"),
    ("tokyo", "Asia/Tokyo"),
    ("toronto", "America/Toronto"),
    ("vancouver", "America/Vancouver"),
    ("vienna", "Europe/Vienna"),
    ("warsaw", "Europe/Warsaw"),
    ("zurich", "Europe/Zurich"),
    ("utc", "UTC"),
    ("gmt", "UTC"),
];

/// Areas of time zones' own names.
const AREAS: &[&str] = &[
    "Africa/",
    "America/",
    "Asia/",
    "Atlantic/",
    "Australia/",
    "Europe/",
    "Indian/",
    "Pacific/",
];

/// Returns the words: letters, digits, and what joins them.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    let part = |it: char| it.is_alphanumeric() || it == '_' || it == '-' || it == '\'';
    text.split(move |it| !part(it))
        .map(|it| it.trim_matches(['-', '\'']))
        .filter(|it| !it.is_empty())
}

/// Returns the time zones that are named, in the order of the message, each once.
pub(super) fn zones(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let mut found: Vec<(usize, String)> = Vec::new();
    for (city, zone) in CITIES {
        let at = lower
            .match_indices(city)
            .map(|(at, _)| at)
            .find(|at| stands_alone(&lower, *at, city.len()));
        found.extend(at.map(|at| (at, (*zone).to_owned())));
    }
    for token in tokens(text) {
        if AREAS.iter().any(|it| token.starts_with(it)) {
            let at = lower.find(&token.to_lowercase()).unwrap_or_default();
            // The city inside of the name is this one again.
            found.retain(|(other, _)| !(at..at + token.len()).contains(other));
            found.push((at, token.to_owned()));
        }
    }
    found.sort();
    let mut zones: Vec<String> = Vec::new();
    for (_, zone) in found {
        if !zones.contains(&zone) {
            zones.push(zone);
        }
    }
    zones
}

/// Returns the first time of day, as `HH:MM`: `9:30`, `9 am`, `noon`.
pub(super) fn time_of_day(text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    let all: Vec<&str> = lower.split_whitespace().map(trimmed).collect();
    for (index, word) in all.iter().enumerate() {
        match *word {
            "noon" => return Some("12:00".to_owned()),
            "midnight" => return Some("00:00".to_owned()),
            _ => {}
        }
        let (digits, mut half) = match word.strip_suffix("am") {
            Some(digits) => (digits, "am"),
            None => word.strip_suffix("pm").map_or((*word, ""), |it| (it, "pm")),
        };
        if half.is_empty() {
            half = all
                .get(index + 1)
                .copied()
                .filter(|it| matches!(*it, "am" | "pm" | "o'clock"))
                .unwrap_or("");
        }
        let (hour, minute) = match digits.split_once(':') {
            Some((hour, minute)) => (hour, minute),
            None if !half.is_empty() => (digits, "00"),
            None => continue,
        };
        let (Ok(hour), Ok(minute)) = (hour.parse::<u8>(), minute.parse::<u8>()) else {
            continue;
        };
        let hour = match half {
            "pm" if hour < 12 => hour + 12,
            "am" if hour == 12 => 0,
            _ => hour,
        };
        if hour < 24 && minute < 60 {
            return Some(format!("{hour:02}:{minute:02}"));
        }
    }
    None
}

/// Returns the numbers, in their order.
pub(super) fn numbers(text: &str) -> Vec<f64> {
    let number = |it: &str| it.parse().ok().filter(|it: &f64| it.is_finite());
    // `12:30` and `1.2.3` are none.
    text.split_whitespace()
        .map(|it| it.trim_matches(|it: char| !it.is_ascii_digit() && it != '-'))
        .filter_map(number)
        .collect()
}

/// Returns the first address of a web page.
pub(super) fn url(text: &str) -> Option<String> {
    let is_url = |it: &&str| it.starts_with("http://") || it.starts_with("https://");
    tokens(text).find(is_url).map(str::to_owned)
}

/// Returns the first path of a file or a folder: `/data/a.txt`, `notes.md`, `./src`.
pub(super) fn path(text: &str) -> Option<String> {
    let is_path = |it: &&str| {
        if it.contains("://") || AREAS.iter().any(|area| it.starts_with(area)) {
            return false;
        }
        let rooted = it.starts_with('/') || it.starts_with("./") || it.starts_with("~/");
        rooted && it.len() > 1 || *it == "." || has_extension(it)
    };
    tokens(text).find(is_path).map(str::to_owned)
}

/// Returns the first quotation: between quotes or backticks.
pub(super) fn quotation(text: &str) -> Option<String> {
    for (open, close) in [('"', '"'), ('“', '”'), ('`', '`'), ('«', '»')] {
        let Some((_, after)) = text.split_once(open) else {
            continue;
        };
        if let Some((inside, _)) = after.split_once(close)
            && !inside.trim().is_empty()
        {
            return Some(inside.to_owned());
        }
    }
    None
}

/// Returns what comes after the first of these phrases that is there, in the message's own letters.
pub(super) fn after<'a>(text: &'a str, phrases: &[&str]) -> Option<&'a str> {
    let lower = text.to_ascii_lowercase();
    let mut found = phrases.iter().filter_map(|phrase| {
        let at = lower.find(phrase)?;
        text.get(at + phrase.len()..)
    });
    let rest = found.next()?.trim();
    (!rest.is_empty()).then_some(rest)
}

/// Returns the first sentence, without what ends it.
pub(super) fn sentence(text: &str) -> &str {
    let ends = [". ", "! ", "? ", "\n", ", then ", " and then ", "; "];
    let lower = text.to_ascii_lowercase();
    let end = ends.iter().filter_map(|it| lower.find(it)).min();
    let sentence = &text[..end.unwrap_or(text.len())];
    sentence.trim().trim_end_matches(['.', '!', '?', ','])
}

/// Returns what stands between blanks, without the quotes and the punctuation around it.
fn tokens(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
        .map(trimmed)
        .filter(|it| !it.is_empty())
}

fn trimmed(token: &str) -> &str {
    let token = token.trim_matches(['"', '\'', '`', '“', '”', '(', ')', '<', '>', ',', ';']);
    match token {
        "." | "./" => token,
        _ => token.trim_end_matches(['.', '?', '!', ':', ',', '"', '\'', '`', '”', ')']),
    }
}

fn has_extension(token: &str) -> bool {
    let Some((name, extension)) = token.rsplit_once('.') else {
        return false;
    };
    let letters = extension.chars().all(|it| it.is_ascii_alphanumeric());
    let starts = extension.starts_with(|it: char| it.is_ascii_alphabetic());
    let plain = |it: char| it.is_alphanumeric() || "._-/".contains(it);
    !name.is_empty()
        && name.chars().all(plain)
        && letters
        && starts
        && (1..=5).contains(&extension.len())
        && !matches!(token, "e.g" | "i.e")
}

fn stands_alone(text: &str, at: usize, length: usize) -> bool {
    let joins = |it: char| it.is_alphanumeric() || it == '_' || it == '/';
    !text[..at].ends_with(joins) && !text[at + length..].starts_with(joins)
}
