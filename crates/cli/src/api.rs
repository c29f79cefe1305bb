//! The running program's API, as the commands use it.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;
use tokio::time::timeout;

use crate::{
    http1::{Connection, Head},
    target::{Finder, Target, unreachable},
};

const DIAL_TIMEOUT: Duration = Duration::from_secs(5);
/// For everything but calls of tools, which have a time of their own.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
const BODY_BYTES_MAX: usize = 64 << 20;
const NOT_UNDERSTOOD: &str = "the program's answer is not understood";

/// A connection to the API, made anew where it was closed.
pub(crate) struct Api {
    target: Target,
    kept: Option<Connection>,
}

/// The API said no. What it says is for people.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refused {
    pub(crate) status: u16,
    message: String,
}

impl Api {
    /// Finds the program; an error when none runs.
    pub(crate) fn find(finder: &Finder) -> anyhow::Result<Self> {
        Ok(Self::new(finder.find()?))
    }

    pub(crate) fn new(target: Target) -> Self {
        Self { target, kept: None }
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    pub(crate) async fn get(&mut self, path: &str) -> anyhow::Result<Value> {
        self.ask("GET", path, None, Some(ANSWER_TIMEOUT)).await
    }

    /// As [`get`](Self::get), and returns the answer as it was sent: numbers to the last digit.
    pub(crate) async fn get_text(&mut self, path: &str) -> anyhow::Result<String> {
        let asked = self.ask_once("GET", path, None);
        let answer = timeout(ANSWER_TIMEOUT, asked).await;
        let answer = answer.with_context(too_late)??;
        String::from_utf8(answer).context(NOT_UNDERSTOOD)
    }

    pub(crate) async fn post(&mut self, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        self.ask("POST", path, body, Some(ANSWER_TIMEOUT)).await
    }

    /// As [`post`](Self::post), and waits for as long as the program does.
    pub(crate) async fn post_patiently(
        &mut self,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<Value> {
        self.ask("POST", path, Some(body), None).await
    }

    pub(crate) async fn put(&mut self, path: &str) -> anyhow::Result<Value> {
        self.ask("PUT", path, None, Some(ANSWER_TIMEOUT)).await
    }

    pub(crate) async fn put_body(&mut self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.ask("PUT", path, Some(body), Some(ANSWER_TIMEOUT))
            .await
    }

    pub(crate) async fn patch(&mut self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.ask("PATCH", path, Some(body), Some(ANSWER_TIMEOUT))
            .await
    }

    pub(crate) async fn delete(&mut self, path: &str) -> anyhow::Result<Value> {
        self.ask("DELETE", path, None, Some(ANSWER_TIMEOUT)).await
    }

    /// Writes an answer to `out` as it comes, however long it is.
    pub(crate) async fn download(
        &mut self,
        path: &str,
        out: &mut impl std::io::Write,
    ) -> anyhow::Result<()> {
        let head = self.target.head("GET", &format!("/api/v1{path}"));
        let mut connection = self.connection().await?;
        let broken = "the answer broke off, and is not whole";
        connection.send(&head, b"").await.context(broken)?;
        let answered = timeout(ANSWER_TIMEOUT, connection.read_head()).await;
        let mut head = answered.context(broken)?.context(broken)?;
        if !(200..300).contains(&head.status) {
            let answer = connection.read_all(&mut head.body, BODY_BYTES_MAX).await;
            return Err(self.refused(head.status, &answer.context(broken)?));
        }
        loop {
            let piece = timeout(ANSWER_TIMEOUT, connection.read_piece(&mut head.body)).await;
            match piece.context(broken)?.context(broken)? {
                Some(piece) => out.write_all(piece).context("cannot write what came")?,
                None => return Ok(()),
            }
        }
    }

    /// Says what an answer means that is no success.
    fn refused(&self, status: u16, answer: &[u8]) -> anyhow::Error {
        if status == 401 {
            return anyhow::anyhow!(
                "the program at `{}` does not take this token; unset `ARCHESTRA_TOKEN` or give the right one",
                self.target.address
            );
        }
        let message =
            said(answer).unwrap_or_else(|| format!("the program answered with status {status}"));
        Refused { status, message }.into()
    }

    async fn ask(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        deadline: Option<Duration>,
    ) -> anyhow::Result<Value> {
        let asked = self.ask_once(method, path, body);
        let answer = match deadline {
            None => asked.await?,
            Some(deadline) => timeout(deadline, asked).await.with_context(too_late)??,
        };
        match answer.is_empty() {
            true => Ok(Value::Null),
            false => serde_json::from_slice(&answer).context(NOT_UNDERSTOOD),
        }
    }

    /// Returns the body of an answer, empty where there is nothing to say.
    async fn ask_once(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Vec<u8>> {
        let mut head = self.target.head(method, &format!("/api/v1{path}"));
        head.push_str("Accept: application/json\r\n");
        let body = match body {
            Some(body) => {
                head.push_str("Content-Type: application/json\r\n");
                body.to_string()
            }
            None => String::new(),
        };
        let mut connection = self.connection().await?;
        let broken = "the connection to the program broke";
        connection
            .send(&head, body.as_bytes())
            .await
            .context(broken)?;
        let Head {
            status,
            is_kept,
            mut body,
            ..
        } = connection.read_head().await.context(broken)?;
        let answer = connection
            .read_all(&mut body, BODY_BYTES_MAX)
            .await
            .context(broken)?;
        if is_kept {
            self.kept = Some(connection);
        }
        match status {
            200..300 => Ok(answer),
            status => Err(self.refused(status, &answer)),
        }
    }

    async fn connection(&mut self) -> anyhow::Result<Connection> {
        if let Some(kept) = self.kept.take().filter(Connection::is_open) {
            return Ok(kept);
        }
        let dialled = timeout(DIAL_TIMEOUT, Connection::dial(&self.target.address)).await;
        let dialled = dialled.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
        dialled.map_err(|err| anyhow::anyhow!(unreachable(&self.target, &err)))
    }
}

fn too_late() -> String {
    let seconds = ANSWER_TIMEOUT.as_secs();
    format!("the program did not answer within {seconds} s")
}

/// Returns a part of a path with what is special in it written out.
pub(crate) fn part(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Returns what an error of the API says.
pub(crate) fn said(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Said {
        message: String,
        hint: Option<String>,
    }
    let said: Said = serde_json::from_slice(body).ok()?;
    Some(match said.hint {
        Some(hint) => format!("{}; {hint}", said.message),
        None => said.message,
    })
}
