//! What was asked, kept for tests to look at.

use std::collections::VecDeque;

use serde_json::Value;

/// So many requests are kept, the last ones.
pub const REQUESTS_MAX: usize = 10_000;
/// Of all kept bodies together.
pub const REQUEST_BYTES_MAX: usize = 256 << 20;

/// A request that came in.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub method: String,
    /// With the query.
    pub path: String,
    /// The header `authorization`.
    pub authorization: Option<String>,
    /// `null` where there was none, or no JSON.
    pub body: Value,
    /// With which it was answered; 0 while nothing is.
    pub status: u16,
    /// Why it was not right, if so.
    pub objection: Option<String>,
}

/// The last requests.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    kept: VecDeque<(u64, usize, Request)>,
    bytes: usize,
    count: u64,
}

impl Requests {
    /// Keeps a request, and returns its number.
    pub(crate) fn push(&mut self, request: Request, bytes: usize) -> u64 {
        self.count += 1;
        self.bytes += bytes;
        self.kept.push_back((self.count, bytes, request));
        while self.kept.len() > REQUESTS_MAX || self.bytes > REQUEST_BYTES_MAX {
            let Some((_, bytes, _)) = self.kept.pop_front() else {
                break;
            };
            self.bytes -= bytes;
        }
        self.count
    }

    /// Notes how a request was answered, if it is still kept.
    pub(crate) fn answered(&mut self, number: u64, status: u16, objection: Option<String>) {
        let kept = self.kept.iter_mut().rev();
        if let Some((_, _, request)) = kept.into_iter().find(|(it, _, _)| *it == number) {
            request.status = status;
            request.objection = objection;
        }
    }

    pub(crate) fn all(&self) -> Vec<Request> {
        self.kept.iter().map(|(_, _, it)| it.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{REQUEST_BYTES_MAX, REQUESTS_MAX, Request, Requests};

    fn request(path: &str) -> Request {
        Request {
            method: "POST".to_owned(),
            path: path.to_owned(),
            authorization: None,
            body: Value::Null,
            status: 0,
            objection: None,
        }
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_or_they_are_too_large() {
        let mut requests = Requests::default();
        for _ in 0..=REQUESTS_MAX {
            requests.push(request("/small"), 1);
        }
        assert_eq!(requests.all().len(), REQUESTS_MAX);
        requests.push(request("/large"), REQUEST_BYTES_MAX - 2);
        assert_eq!(requests.all().len(), 3);
        let last = requests.push(request("/huge"), REQUEST_BYTES_MAX);
        requests.answered(last, 200, None);
        let all = requests.all();
        assert_eq!((all.len(), &*all[0].path, all[0].status), (1, "/huge", 200));
    }
}
