//! The table of all settings. A setting is a row here and a field of [`Config`], and nothing else:
//! flags, variables, the file, `config dump` and the documentation are made of the rows.

use std::path::PathBuf;

use orchestrator::{ProviderKind, Reach};
use store::DatabaseLocation;

use crate::config::{Config, Database, LogFormat, Platform, parse};

/// One thing that can be set.
#[derive(Debug)]
pub(crate) struct Setting {
    /// As it is in the file. The variable and the flag are made of it.
    pub(crate) key: &'static str,
    /// What it does, in a sentence or two.
    pub(crate) doc: &'static str,
    /// As it would be written; empty is none, or what the platform says.
    pub(crate) default: &'static str,
    /// What a value has to be, for the sentence "… is `x`, expected …".
    pub(crate) expected: &'static str,
    pub(crate) form: Form,
    apply: fn(&mut Config, &Items<'_>) -> Result<(), String>,
}

/// How the texts of a setting hang together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    One,
    /// `true` where the flag stands alone.
    Switch,
    /// Several, in a flag or a variable with this character between them.
    List(char),
}

/// The texts that one setting was given.
struct Items<'a> {
    texts: &'a [String],
    platform: &'a Platform,
}

pub(crate) static SETTINGS: &[Setting] = &[
    Setting {
        key: "data_dir",
        doc: "Where the program keeps its data. One program at a time uses it.",
        default: "",
        expected: "a folder",
        form: Form::One,
        apply: |config, it| it.path(&mut config.data_dir),
    },
    Setting {
        key: "cache_dir",
        doc: "Where the base image is kept that was made here. It may be emptied.",
        default: "",
        expected: "a folder",
        form: Form::One,
        apply: |config, it| it.path(&mut config.cache_dir),
    },
    Setting {
        key: "database",
        doc: "The database: a file of SQLite, or the address of a PostgreSQL database. Empty is `archestra.db` in the data directory.",
        default: "",
        expected: "a path, or an address like `postgres://user:password@host/database`",
        form: Form::One,
        apply: |config, it| {
            let platform = it.platform;
            it.optional(&mut config.database, |text| {
                let is_postgres =
                    text.starts_with("postgres://") || text.starts_with("postgresql://");
                let location = match is_postgres {
                    true => DatabaseLocation::Postgres(url::Url::parse(text).ok()?.to_string()),
                    false if text.contains("://") => return None,
                    false => DatabaseLocation::Sqlite(platform.absolute(text)),
                };
                Some(Database { location })
            })
        },
    },
    Setting {
        key: "listen",
        doc: "The addresses at which the program answers.",
        default: "127.0.0.1:3000,127.0.0.1:9000",
        expected: "an address like `127.0.0.1:3000`",
        form: Form::List(','),
        apply: |config, it| {
            it.list(&mut config.listen, |text| text.parse().ok())?;
            match config.listen.is_empty() {
                true => Err(String::new()),
                false => Ok(()),
            }
        },
    },
    Setting {
        key: "allow_remote",
        doc: "Lets the program answer at addresses that other machines can reach.",
        default: "false",
        expected: "`true` or `false`",
        form: Form::Switch,
        apply: |config, it| it.one(&mut config.allow_remote, parse::yes_or_no),
    },
    Setting {
        key: "allowed_hosts",
        doc: "Names, besides those of loopback, under which the program may be called, for instance `host.docker.internal`.",
        default: "",
        expected: "a host name, or a host name and a port",
        form: Form::List(','),
        apply: |config, it| {
            it.list(&mut config.allowed_hosts, |text| {
                text.parse::<auth::AllowedHost>().ok()?;
                Some(text.to_owned())
            })
        },
    },
    Setting {
        key: "request_bytes_max",
        doc: "The longest body of a request, which is the longest message of a client.",
        default: "16MiB",
        expected: "a size like `16MiB`",
        form: Form::One,
        apply: |config, it| {
            it.one(&mut config.request_bytes_max, |text| {
                usize::try_from(parse::size(text)?)
                    .ok()
                    .filter(|it| 1024 <= *it)
            })
        },
    },
    Setting {
        key: "log",
        doc: "What is logged: `error`, `warn`, `info`, `debug`, `trace`, or a filter for each part like `info,gateway=debug`.",
        default: "info",
        expected: "a level, or a filter like `info,gateway=debug`",
        form: Form::One,
        apply: |config, it| {
            it.one(&mut config.log, |text| {
                tracing_subscriber::EnvFilter::try_new(text).ok()?;
                Some(text.to_owned())
            })
        },
    },
    Setting {
        key: "log_format",
        doc: "How log lines look: `text` for people, `json` for programs.",
        default: "text",
        expected: "`text` or `json`",
        form: Form::One,
        apply: |config, it| {
            it.one(&mut config.log_format, |text| match text {
                "text" => Some(LogFormat::Text),
                "json" => Some(LogFormat::Json),
                _ => None,
            })
        },
    },
    Setting {
        key: "open_browser",
        doc: "Opens a browser when the program starts, from a terminal and where there is a display.",
        default: "true",
        expected: "`true` or `false`",
        form: Form::Switch,
        apply: |config, it| it.one(&mut config.open_browser, parse::yes_or_no),
    },
    Setting {
        key: "shutdown_grace",
        doc: "How long work under way may take when the program is to end.",
        default: "10s",
        expected: "a time like `10s`",
        form: Form::One,
        apply: |config, it| it.one(&mut config.shutdown_grace, parse::duration),
    },
    Setting {
        key: "podman_socket",
        doc: "The socket of Podman's service. Empty takes the user's or the system's, and else starts one that ends with the program.",
        default: "",
        expected: "a path",
        form: Form::One,
        apply: |config, it| {
            let platform = it.platform;
            it.optional(&mut config.podman_socket, |text| {
                Some(platform.absolute(text))
            })
        },
    },
    Setting {
        key: "podman_program",
        doc: "`podman`, or where it is.",
        default: "podman",
        expected: "a program",
        form: Form::One,
        apply: |config, it| {
            it.one(&mut config.podman_program, |text| {
                (!text.is_empty()).then(|| PathBuf::from(text))
            })
        },
    },
    Setting {
        key: "podman_args",
        doc: "Arguments of Podman before its command, for instance `--root`. Where there are any, a service of our own is started.",
        default: "",
        expected: "arguments",
        form: Form::List(' '),
        apply: |config, it| it.list(&mut config.podman_args, |text| Some(text.to_owned())),
    },
    Setting {
        key: "sandbox.image",
        doc: "The image that servers run in, by its digest. Empty is the one that `archestra image build` makes.",
        default: "",
        expected: "a reference with a digest like `registry.example/name@sha256:…`",
        form: Form::One,
        apply: |config, it| {
            it.optional(&mut config.sandbox_image, |text| {
                let (name, digest) = text.split_once("@sha256:")?;
                let is_digest =
                    digest.len() == 64 && digest.bytes().all(|it| it.is_ascii_hexdigit());
                (!name.is_empty() && is_digest).then(|| text.to_owned())
            })
        },
    },
    Setting {
        key: "egress.allow_ranges",
        doc: "Private networks that servers may reach, where a person has allowed the host. Empty is none of them.",
        default: "",
        expected: "a range like `10.1.0.0/16`",
        form: Form::List(','),
        apply: |config, it| {
            it.list(&mut config.egress_allow_ranges, |text| {
                let single = || text.parse().ok().map(|it: std::net::IpAddr| it.into());
                text.parse().ok().or_else(single)
            })
        },
    },
    Setting {
        key: "egress.hosts",
        doc: "Names that servers reach and their addresses, as in a hosts file.",
        default: "",
        expected: "a name and an address like `internal.example=10.1.2.3`",
        form: Form::List(','),
        apply: |config, it| it.list(&mut config.egress_hosts, parse::host_entry),
    },
    Setting {
        key: "registries.npm",
        doc: "The registry that packages of npm come from. Empty is npm's own default.",
        default: "",
        expected: "an address that begins with `https://` or `http://`",
        form: Form::One,
        apply: |config, it| it.optional(&mut config.registry_npm, parse::http_url),
    },
    Setting {
        key: "registries.pypi",
        doc: "The index that packages of PyPI come from. Empty is pip's own default.",
        default: "",
        expected: "an address that begins with `https://` or `http://`",
        form: Form::One,
        apply: |config, it| it.optional(&mut config.registry_pypi, parse::http_url),
    },
    Setting {
        key: "registries.hosts",
        doc: "Further hosts that files of packages come from.",
        default: "",
        expected: "a host and a port like `files.example.com:443`",
        form: Form::List(','),
        apply: |config, it| it.list(&mut config.registry_hosts, |text| text.parse().ok()),
    },
    Setting {
        key: "models.discover",
        doc: "Looks for model servers on this machine (Ollama, LM Studio, llama.cpp, vLLM, Jan) at the ports where they usually are.",
        default: "true",
        expected: "`true` or `false`",
        form: Form::Switch,
        apply: |config, it| it.one(&mut config.models_discover, parse::yes_or_no),
    },
    Setting {
        key: "models.demo",
        doc: "Where the scripted model is, which is offered as `Demo model` for as long as there is no other.",
        default: "",
        expected: "an address of this machine like `http://127.0.0.1:11511`",
        form: Form::One,
        apply: |config, it| {
            it.optional(&mut config.models_demo, |text| {
                let url = orchestrator::model_server_url(ProviderKind::OpenAi, text).ok()?;
                (Reach::of(&url) == Reach::Loopback).then_some(url)
            })
        },
    },
    Setting {
        key: "install_bytes_max",
        doc: "The most that one installed package may take on disk.",
        default: "2GiB",
        expected: "a size like `2GiB`",
        form: Form::One,
        apply: |config, it| it.one(&mut config.install_bytes_max, parse::size),
    },
    Setting {
        key: "install_free_bytes_min",
        doc: "What has to be free on disk for an installation to begin and to go on.",
        default: "256MiB",
        expected: "a size like `256MiB`",
        form: Form::One,
        apply: |config, it| it.one(&mut config.install_free_bytes_min, parse::size),
    },
    Setting {
        key: "install_step_timeout",
        doc: "The longest that one step of an installation may take.",
        default: "10m",
        expected: "a time like `10m`",
        form: Form::One,
        apply: |config, it| it.one(&mut config.install_step_timeout, parse::duration),
    },
    Setting {
        key: "installs_max",
        doc: "Installations under way at a time.",
        default: "2",
        expected: "a number from 1",
        form: Form::One,
        apply: |config, it| it.one(&mut config.installs_max, positive),
    },
    Setting {
        key: "line_bytes_max",
        doc: "The longest line that a server may write, which is its longest message.",
        default: "16MiB",
        expected: "a size from `1KiB` to `64MiB`",
        form: Form::One,
        apply: |config, it| {
            it.one(&mut config.line_bytes_max, |text| {
                let size = u32::try_from(parse::size(text)?).ok()?;
                ((1 << 10)..=(64 << 20)).contains(&size).then_some(size)
            })
        },
    },
    Setting {
        key: "stop_grace",
        doc: "From the end of a server's input to the first signal, and from that to the second.",
        default: "2s",
        expected: "a time like `2s`",
        form: Form::One,
        apply: |config, it| it.one(&mut config.stop_grace, parse::duration),
    },
    Setting {
        key: "idle_stop",
        doc: "A server that nobody has used for so long is stopped, unless it is kept warm.",
        default: "10m",
        expected: "a time like `10m`",
        form: Form::One,
        apply: |config, it| it.one(&mut config.idle_stop, parse::duration),
    },
    Setting {
        key: "handshake_timeout",
        doc: "From the start of a server's process to its first answer.",
        default: "30s",
        expected: "a time like `30s`",
        form: Form::One,
        apply: |config, it| it.one(&mut config.handshake_timeout, parse::duration),
    },
    Setting {
        key: "approval_wait",
        doc: "How long a client's call waits for a person's approval, before it is answered that it does.",
        default: "45s",
        expected: "a time like `45s`",
        form: Form::One,
        apply: |config, it| it.one(&mut config.approval_wait, parse::duration),
    },
    Setting {
        key: "approval_open",
        doc: "How long a client's request for approval stays open, and an approval for one call holds.",
        default: "10m",
        expected: "a time like `10m`",
        form: Form::One,
        apply: |config, it| it.one(&mut config.approval_open, parse::duration),
    },
    Setting {
        key: "question_timeout",
        doc: "How long a client has for the question of a server.",
        default: "10m",
        expected: "a time like `10m`",
        form: Form::One,
        apply: |config, it| it.one(&mut config.question_timeout, parse::duration),
    },
    Setting {
        key: "call_duration_max",
        doc: "The longest that a call may take, whatever progress it reports.",
        default: "1h",
        expected: "a time like `1h`",
        form: Form::One,
        apply: |config, it| it.one(&mut config.call_duration_max, parse::duration),
    },
    Setting {
        key: "sessions_max",
        doc: "Sessions of clients at a time.",
        default: "10000",
        expected: "a number from 1",
        form: Form::One,
        apply: |config, it| it.one(&mut config.sessions_max, positive),
    },
    Setting {
        key: "session_idle",
        doc: "A client's session that nobody has used for so long is forgotten.",
        default: "24h",
        expected: "a time like `24h`",
        form: Form::One,
        apply: |config, it| it.one(&mut config.session_idle, parse::duration),
    },
    Setting {
        key: "session_requests_max",
        doc: "Requests of one session under way at a time.",
        default: "256",
        expected: "a number from 1",
        form: Form::One,
        apply: |config, it| it.one(&mut config.session_requests_max, positive),
    },
    Setting {
        key: "memories_max",
        doc: "The most memories of one person.",
        default: "200",
        expected: "a number from 1",
        form: Form::One,
        apply: |config, it| {
            it.one(&mut config.memories_max, |text| {
                text.parse().ok().filter(|it| 0 < *it)
            })
        },
    },
    Setting {
        key: "memory_prompt_bytes_max",
        doc: "The most that a chat's model is told of memories, the newest first. With `0B` it is told nothing.",
        default: "8KiB",
        expected: "a size like `8KiB`",
        form: Form::One,
        apply: |config, it| {
            it.one(&mut config.memory_prompt_bytes_max, |text| {
                parse::size(text).and_then(|it| usize::try_from(it).ok())
            })
        },
    },
    Setting {
        key: "chat_tools_default_max",
        doc: "A new chat begins with all tools where there are at most so many besides the program's own, else with those only.",
        default: "40",
        expected: "a number",
        form: Form::One,
        apply: |config, it| it.one(&mut config.chat_tools_default_max, |text| text.parse().ok()),
    },
    Setting {
        key: "audit_keep",
        doc: "Rows of the audit that are older are deleted.",
        default: "90d",
        expected: "a time like `90d`",
        form: Form::One,
        apply: |config, it| it.one(&mut config.audit_keep, parse::duration),
    },
    Setting {
        key: "audit_rows_max",
        doc: "The most rows of the audit that are kept; the oldest go first.",
        default: "1000000",
        expected: "a number from 1",
        form: Form::One,
        apply: |config, it| {
            it.one(&mut config.audit_rows_max, |text| {
                text.parse().ok().filter(|it| 0 < *it)
            })
        },
    },
];

impl Setting {
    pub(crate) fn named(key: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|it| it.key == key)
    }

    pub(crate) fn flag(&self) -> String {
        format!("--{}", self.key.replace(['.', '_'], "-"))
    }

    pub(crate) fn variable(&self) -> String {
        format!(
            "ARCHESTRA_{}",
            self.key.replace('.', "_").to_ascii_uppercase()
        )
    }

    /// Takes the texts of flags or a variable apart.
    pub(super) fn split(&self, texts: &[String]) -> Vec<String> {
        match self.form {
            Form::One | Form::Switch => texts.to_vec(),
            Form::List(separator) => {
                let parts = texts.iter().flat_map(|it| it.split(separator));
                let parts = parts.map(str::trim).filter(|it| !it.is_empty());
                parts.map(str::to_owned).collect()
            }
        }
    }

    pub(super) fn default_items(&self, platform: &Platform) -> Vec<String> {
        let by_platform = match self.key {
            "data_dir" => Some(&platform.data_dir),
            "cache_dir" => Some(&platform.cache_dir),
            _ => None,
        };
        match by_platform {
            Some(path) => vec![path.to_string_lossy().into_owned()],
            None => self.split(&[self.default.to_owned()]),
        }
    }

    /// Puts the texts into the field. The error is the text that is wrong.
    pub(super) fn apply(
        &self,
        config: &mut Config,
        texts: &[String],
        platform: &Platform,
    ) -> Result<(), String> {
        (self.apply)(config, &Items { texts, platform })
    }

    /// Returns a text of this setting as it may be shown.
    pub(super) fn shown(&self, text: &str) -> String {
        match self.key {
            "database" | "registries.npm" | "registries.pypi" => parse::without_password(text),
            _ => text.to_owned(),
        }
    }
}

impl Items<'_> {
    fn only(&self) -> Result<&str, String> {
        match self.texts {
            [] => Ok(""),
            [text] => Ok(text.trim()),
            several => Err(several.join(",")),
        }
    }

    fn one<T>(&self, slot: &mut T, parse: impl Fn(&str) -> Option<T>) -> Result<(), String> {
        let text = self.only()?;
        *slot = parse(text).ok_or_else(|| text.to_owned())?;
        Ok(())
    }

    fn optional<T>(
        &self,
        slot: &mut Option<T>,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<(), String> {
        match self.only()? {
            "" => *slot = None,
            text => *slot = Some(parse(text).ok_or_else(|| text.to_owned())?),
        }
        Ok(())
    }

    fn list<T>(&self, slot: &mut Vec<T>, parse: impl Fn(&str) -> Option<T>) -> Result<(), String> {
        let items = self
            .texts
            .iter()
            .map(|it| parse(it.trim()).ok_or_else(|| it.clone()));
        *slot = items.collect::<Result<_, _>>()?;
        Ok(())
    }

    fn path(&self, slot: &mut PathBuf) -> Result<(), String> {
        let platform = self.platform;
        self.one(slot, |text| {
            (!text.is_empty()).then(|| platform.absolute(text))
        })
    }
}

fn positive(text: &str) -> Option<usize> {
    text.parse().ok().filter(|it| 0 < *it)
}
