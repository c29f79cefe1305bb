//! Providers of models, over HTTP.

mod client;
mod discover;
mod list;
mod read;

use domain::Secret;
use serde::{Deserialize, Serialize};
use url::Url;

pub use self::{
    client::{ClientSettings, ModelClient, ProviderModel},
    discover::{Candidate, Found, candidates, discover},
    list::{ModelInfo, TestReport},
};

/// Where models are, and with which key.
#[derive(Debug, Clone)]
pub struct Provider {
    /// As people call it.
    pub name: String,
    pub kind: ProviderKind,
    /// Made by [`base_url`].
    pub base_url: Url,
    pub key: Option<Secret<String>>,
    /// The longest context that a person allows a local model, in tokens.
    pub context_tokens_max: Option<u64>,
}

/// The language that a provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    /// Chat completions: OpenAI and everything that is compatible with it.
    #[serde(rename = "openai")]
    OpenAi,
    /// Ollama's own.
    Ollama,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    #[error("`{text}` is no address; it looks like `http://localhost:11434`")]
    NotAnAddress { text: String },
    #[error("the address `{text}` must begin with `http://` or `https://`")]
    Scheme { text: String },
    #[error("the address must not have a name or a password in it; give the key in its own field")]
    Credentials,
}

/// Reads an address as people paste it, and returns the one below which requests are made.
///
/// What belongs to a single request (`/chat/completions`, `/api/chat`) is taken off, and `/v1` is
/// added where an address of an OpenAI-compatible server has no path at all.
pub fn base_url(kind: ProviderKind, text: &str) -> Result<Url, BaseUrlError> {
    let text = text.trim();
    let with_scheme = if text.contains("://") {
        text.to_owned()
    } else {
        let host = text.split([':', '/']).next().unwrap_or_default();
        let scheme = if is_local_host(host) { "http" } else { "https" };
        format!("{scheme}://{text}")
    };
    let not_an_address = || BaseUrlError::NotAnAddress {
        text: text.to_owned(),
    };
    let mut url = Url::parse(&with_scheme).map_err(|_| not_an_address())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(BaseUrlError::Scheme {
            text: text.to_owned(),
        });
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(BaseUrlError::Credentials);
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(not_an_address());
    }
    url.set_query(None);
    url.set_fragment(None);
    let mut path = url.path().trim_end_matches('/').to_owned();
    let ends: &[&str] = match kind {
        ProviderKind::OpenAi => &["/chat/completions", "/models"],
        ProviderKind::Ollama => &["/api/chat", "/api/tags", "/api", "/v1"],
    };
    if let Some(rest) = ends.iter().find_map(|it| path.strip_suffix(it)) {
        path = rest.to_owned();
    }
    if path.is_empty() && kind == ProviderKind::OpenAi {
        "/v1".clone_into(&mut path);
    }
    // With a slash at its end nothing of it is lost when a path is joined to it.
    url.set_path(&format!("{path}/"));
    Ok(url)
}

impl Provider {
    /// Returns whether it runs on this machine.
    pub fn is_local(&self) -> bool {
        self.base_url.host_str().is_some_and(is_local_host)
    }

    fn is_openai(&self) -> bool {
        self.base_url.host_str() == Some("api.openai.com")
    }
}

fn is_local_host(host: &str) -> bool {
    host == "localhost" || host == "[::1]" || host.starts_with("127.")
}

#[cfg(test)]
mod tests {
    use super::{ProviderKind, base_url};
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(kind: ProviderKind, texts: &[&str], expected: Expect) {
        let lines = texts.iter().map(|it| match base_url(kind, it) {
            Ok(url) => url.to_string(),
            Err(err) => err.to_string(),
        });
        expected.assert_eq(&lines.collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn addresses_are_read_as_people_paste_them() {
        check(
            ProviderKind::OpenAi,
            &[
                "https://api.openai.com/v1",
                "https://api.openai.com/v1/chat/completions",
                "https://openrouter.ai/api/v1/",
                "localhost:1234",
                "127.0.0.1:8080/v1/models",
                "api.deepseek.com",
                "https://generativelanguage.googleapis.com/v1beta/openai?key=1#x",
                "ftp://x",
                "https://me:secret@x/v1",
                "",
                "http://",
            ],
            expect![[r#"
                https://api.openai.com/v1/
                https://api.openai.com/v1/
                https://openrouter.ai/api/v1/
                http://localhost:1234/v1/
                http://127.0.0.1:8080/v1/
                https://api.deepseek.com/v1/
                https://generativelanguage.googleapis.com/v1beta/openai/
                the address `ftp://x` must begin with `http://` or `https://`
                the address must not have a name or a password in it; give the key in its own field
                `` is no address; it looks like `http://localhost:11434`
                `http://` is no address; it looks like `http://localhost:11434`"#]],
        );
        check(
            ProviderKind::Ollama,
            &[
                "http://localhost:11434",
                "localhost:11434/v1/",
                "http://box:11434/api/chat",
                "https://example.com/ollama/",
            ],
            expect![[r#"
                http://localhost:11434/
                http://localhost:11434/
                http://box:11434/
                https://example.com/ollama/"#]],
        );
    }
}
