//! Which running program a command talks to.

use std::path::PathBuf;

use anyhow::{Context as _, bail};

use crate::{
    access_file::AccessFile,
    config::{Config, Inputs},
};

const TOKEN_VARIABLE: &str = "ARCHESTRA_TOKEN";
const URL_VARIABLE: &str = "ARCHESTRA_URL";

/// How the program is found: by what was said, else by the file in the data directory.
#[derive(Clone)]
pub(crate) struct Finder {
    url: Option<String>,
    token: Option<String>,
    /// Errors only where the file is needed.
    data_dir: Result<PathBuf, String>,
}

/// An address and what lets one in there.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// `host:port`, to dial.
    pub(crate) address: String,
    /// As it stands in `Host`.
    pub(crate) host: String,
    /// What comes before `/mcp` and `/api`; mostly empty.
    pub(crate) prefix: String,
    pub(crate) token: String,
}

impl Finder {
    pub(crate) fn new(inputs: &Inputs, url: Option<String>, token: Option<String>) -> Self {
        let variable = |name| inputs.variable(name).map(str::to_owned);
        Self {
            url: url.or_else(|| variable(URL_VARIABLE)),
            token: token.or_else(|| variable(TOKEN_VARIABLE)),
            data_dir: Config::data_dir(inputs).map_err(|it| it.join("; ")),
        }
    }

    /// Finds the program, as of now: the file is read each time.
    pub(crate) fn find(&self) -> anyhow::Result<Target> {
        if let (Some(url), Some(token)) = (&self.url, &self.token) {
            return Target::of_url(url, token.clone());
        }
        let data_dir = self
            .data_dir
            .as_ref()
            .map_err(|it| anyhow::anyhow!("{it}"))?;
        let file = AccessFile::read(data_dir)?.with_context(|| not_running(data_dir))?;
        let token = self.token.clone().unwrap_or(file.token);
        match &self.url {
            Some(url) => Target::of_url(url, token),
            None => Target::of_url(&format!("http://{}", file.address), token),
        }
    }
}

impl Target {
    pub(crate) fn of_url(text: &str, token: String) -> anyhow::Result<Self> {
        let with_scheme = match text.contains("://") {
            true => text.to_owned(),
            false => format!("http://{text}"),
        };
        let rest = with_scheme.strip_prefix("http://").with_context(|| {
            format!("`{text}` must begin with `http://`; reach a distant program through a tunnel")
        })?;
        let (host, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_fine = !host.is_empty()
            && host
                .bytes()
                .chain(prefix.bytes())
                .all(|it| it.is_ascii_graphic() && it != b'@');
        let token_is_fine = !token.is_empty() && token.bytes().all(|it| it.is_ascii_graphic());
        if !is_fine {
            bail!("`{text}` is no address like `http://127.0.0.1:3000`");
        }
        if !token_is_fine {
            bail!("the token has characters that no token has");
        }
        let has_port = host
            .rsplit_once(':')
            .is_some_and(|(_, it)| it.parse::<u16>().is_ok());
        let prefix = prefix.trim_end_matches('/');
        // People may give the address that clients use.
        let prefix = prefix
            .strip_suffix("mcp")
            .unwrap_or(prefix)
            .trim_end_matches('/');
        Ok(Self {
            address: if has_port {
                host.to_owned()
            } else {
                format!("{host}:80")
            },
            host: host.to_owned(),
            prefix: match prefix {
                "" => String::new(),
                prefix => format!("/{prefix}"),
            },
            token,
        })
    }

    /// Returns the lines of a request that are always the same.
    pub(crate) fn head(&self, method: &str, path: &str) -> String {
        format!(
            "{method} {}{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n",
            self.prefix, self.host, self.token
        )
    }
}

pub(crate) fn not_running(data_dir: &std::path::Path) -> String {
    format!(
        "no program is running with the data in `{}`; start it with `archestra serve`",
        data_dir.display()
    )
}

/// Says why nobody answered.
pub(crate) fn unreachable(target: &Target, err: &std::io::Error) -> String {
    format!(
        "nothing answers at `{}` ({err}); start the program with `archestra serve`",
        target.address
    )
}
