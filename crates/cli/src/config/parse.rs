//! The forms of single values.

use std::{net::IpAddr, time::Duration};

use url::Url;

/// Reads `10s`, `5m`, `2h`, `90d` or `250ms`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|it: char| it.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let ms = match &text[digits.len()..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60 * 1_000,
        "h" => 60 * 60 * 1_000,
        "d" => 24 * 60 * 60 * 1_000,
        _ => return None,
    };
    number.checked_mul(ms).map(Duration::from_millis)
}

/// Reads `16MiB`, `512KiB`, `2GiB`, or a number of bytes.
pub(crate) fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|it: char| it.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let unit: u64 = match &text[digits.len()..] {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(unit)
}

pub(super) fn yes_or_no(text: &str) -> Option<bool> {
    match text {
        "true" | "yes" | "1" => Some(true),
        "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// Reads `name=ip`.
pub(super) fn host_entry(text: &str) -> Option<(String, IpAddr)> {
    let (name, ip) = text.split_once('=')?;
    let name = name.trim().trim_end_matches('.').to_ascii_lowercase();
    let ip = ip.trim().parse().ok()?;
    (!name.is_empty()).then_some((name, ip))
}

pub(super) fn http_url(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let is_http = matches!(url.scheme(), "http" | "https") && url.has_host();
    is_http.then(|| text.trim_end_matches('/').to_owned())
}

/// Returns an address with what is secret in it replaced; other texts as they are.
pub(super) fn without_password(text: &str) -> String {
    if !text.contains("://") {
        return text.to_owned();
    }
    let Ok(mut url) = Url::parse(text) else {
        return "[redacted]".to_owned();
    };
    if url.password().is_some() && url.set_password(Some("redacted")).is_err() {
        return "[redacted]".to_owned();
    }
    if url.query_pairs().any(|(name, _)| name == "password") {
        let pairs: Vec<(String, String)> = url
            .query_pairs()
            .map(|(name, value)| match &*name {
                "password" => (name.into_owned(), "redacted".to_owned()),
                _ => (name.into_owned(), value.into_owned()),
            })
            .collect();
        url.query_pairs_mut().clear().extend_pairs(pairs);
    }
    url.to_string()
}
