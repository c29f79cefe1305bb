//! What is well and what is not on this machine, each finding with a fix.

use std::path::Path;

use domain::{PrincipalName, Registry, Source};

use crate::{
    Error, Orchestrator, ProviderModels,
    install::{self, registries::RegistryCheck},
    sandbox_error,
};

const NO_MODEL_FIX: &str = "start Ollama or LM Studio on this machine, or add a provider: \
    `archestra providers add`";
/// Of one provider.
const MODELS_NAMED_MAX: usize = 3;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindingLevel {
    Ok,
    Warning,
    Problem,
}

/// Something that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// A word for programs: `podman`, `image`, `bridge`, `space`, `registries`, `servers`, `models`.
    pub check: &'static str,
    pub level: FindingLevel,
    pub message: String,
    /// What a person can do about it.
    pub fix: Option<String>,
}

impl Orchestrator {
    /// Looks at what the program needs and says how it is, with the models of a principal.
    ///
    /// The registries are tried from inside a sandbox, which takes seconds; the rest is there at once.
    pub async fn doctor(
        &self,
        by: &PrincipalName,
        with_registries: bool,
    ) -> Result<Vec<Finding>, Error> {
        let mut findings = self.podman().await;
        findings.push(self.image_finding().await);
        findings.push(self.bridge());
        findings.push(self.space());
        findings.extend(self.certificates());
        if with_registries {
            findings.extend(self.registries().await);
        }
        findings.extend(self.failing_servers().await?);
        findings.extend(models(&self.all_models(false, by).await?));
        Ok(findings)
    }

    async fn podman(&self) -> Vec<Finding> {
        let sandbox = &self.shared.sandbox;
        let facts = match sandbox.facts().await {
            Ok(facts) => facts,
            Err(err) => return vec![problem("podman", crate::error_chain(&err), err.hint())],
        };
        let kind = if facts.rootless {
            "rootless"
        } else {
            "as root"
        };
        let limits = facts.limits;
        let mut findings = vec![ok(
            "podman",
            format!(
                "{} {} runs {kind}, by {}, cgroups version {}",
                sandbox.name(),
                facts.version,
                facts.runtime,
                facts.cgroup_version
            ),
        )];
        let missing = [
            ("memory", limits.memory),
            ("cpu", limits.cpu),
            ("pids", limits.pids),
        ];
        let missing: Vec<&str> = missing
            .into_iter()
            .filter(|(_, holds)| !holds)
            .map(|(name, _)| name)
            .collect();
        if !missing.is_empty() {
            findings.push(warning(
                "limits",
                format!(
                    "the host cannot hold sandboxes to their limits of {}",
                    missing.join(", ")
                ),
                "use cgroups version 2 with delegation, or run Podman as root",
            ));
        }
        for text in facts.warnings {
            findings.push(Finding {
                check: "podman",
                level: FindingLevel::Warning,
                message: text,
                fix: None,
            });
        }
        findings
    }

    async fn image_finding(&self) -> Finding {
        let image = &self.shared.settings.image;
        match self.shared.sandbox.image_exists(image).await {
            Ok(true) => ok("image", format!("`{image}` is there")),
            Ok(false) => problem(
                "image",
                format!("`{image}` is not there"),
                match self.shared.settings.image_recipe {
                    Some(_) => Some("run `archestra image build`".to_owned()),
                    None => Some(format!("run `podman pull {image}`")),
                },
            ),
            Err(err) => problem("image", sandbox_error(&err), None),
        }
    }

    fn bridge(&self) -> Finding {
        let hash = &self.shared.settings.bridge_hash;
        if hash.is_empty() {
            return problem(
                "bridge",
                "this build carries no bridge, so no server can run in a sandbox".to_owned(),
                Some("build the program with `make run`".to_owned()),
            );
        }
        ok("bridge", format!("sha256 {}", &hash[..hash.len().min(16)]))
    }

    fn space(&self) -> Finding {
        let settings = &self.shared.settings;
        let min = settings.install_free_bytes_min;
        match free_bytes(&settings.data_dir) {
            Some(free) if free < min => warning(
                "space",
                format!(
                    "{free} bytes are free on the disk of the data directory, installs need {min}"
                ),
                "make room, or lower `install_free_bytes_min`",
            ),
            Some(free) => ok("space", format!("{} MiB are free", free >> 20)),
            None => warning(
                "space",
                format!(
                    "the disk of `{}` cannot be looked at",
                    settings.data_dir.display()
                ),
                "check that the directory is there",
            ),
        }
    }

    fn certificates(&self) -> Option<Finding> {
        let bundle = self.shared.settings.ca_bundle.as_ref()?;
        if bundle.is_file() {
            let message = format!("`{}` is given to sandboxes", bundle.display());
            return Some(ok("certificates", message));
        }
        Some(problem(
            "certificates",
            format!("`{}` is not there", bundle.display()),
            Some("correct the variable that names it, for instance `SSL_CERT_FILE`".to_owned()),
        ))
    }

    /// Tries the registries from where packages are fetched, which needs a sandbox.
    async fn registries(&self) -> Vec<Finding> {
        let checks = match install::registries::check(&self.shared).await {
            Ok(checks) => checks,
            Err(reason) => {
                return vec![warning(
                    "registries",
                    format!("they cannot be tried: {reason}"),
                    "mend what is wrong with Podman or the image first",
                )];
            }
        };
        let told = |check: RegistryCheck| {
            let name = check.registry.as_str();
            match check.address {
                Err(reason) => warning(
                    "registries",
                    format!("{name}: {reason}"),
                    &format!("name it in the settings: `registries.{name}`"),
                ),
                Ok(url) if check.unreachable.is_empty() => {
                    ok("registries", format!("{name}: `{url}` can be reached"))
                }
                Ok(url) => warning(
                    "registries",
                    format!("{name}: `{url}`: {}", check.unreachable.join("; ")),
                    "behind a mirror with a private address, allow its range: `egress.allow_ranges`; behind a proxy, set `HTTPS_PROXY` for the program",
                ),
            }
        };
        checks.into_iter().map(told).collect()
    }

    async fn failing_servers(&self) -> Result<Vec<Finding>, Error> {
        let mut findings = Vec::new();
        for server in self.servers().await? {
            let word = server.status.word();
            let is_bad = matches!(word, "failed" | "install_failed" | "waiting_for_consent");
            let slug = &server.row.stored.slug;
            if is_bad {
                let reason = server.status.reason().unwrap_or_default();
                findings.push(warning(
                    "servers",
                    format!("`{slug}` is {word}: {reason}"),
                    &match &server.row.stored.spec.source {
                        Source::Package(package) if word == "waiting_for_consent" => {
                            debug_assert!(package.registry == Registry::Npm);
                            format!("`archestra servers consent {slug} --run` or `--skip`")
                        }
                        Source::Package(_) if word == "install_failed" => {
                            format!("`archestra servers show {slug}`, then `archestra servers retry {slug}`")
                        }
                        _ => format!("`archestra servers logs {slug}`"),
                    },
                ));
            } else if word == "running" && server.tools == 0 {
                findings.push(warning(
                    "servers",
                    format!("`{slug}` runs and has no tools"),
                    &format!("`archestra servers logs {slug}`"),
                ));
            }
        }
        Ok(findings)
    }
}

/// Says of each provider which models it has.
fn models(all: &[ProviderModels]) -> Vec<Finding> {
    let told = |it: &ProviderModels| {
        let (name, url) = (&it.provider.name, &it.provider.base_url);
        match &it.models {
            Err(err) => warning("models", err.message.clone(), &err.fix),
            Ok(_) if it.provider.demo => warning(
                "models",
                format!("there is only `{name}`, which plays a model and is none"),
                NO_MODEL_FIX,
            ),
            Ok(models) if models.is_empty() => warning(
                "models",
                format!("`{name}` at `{url}` has no model"),
                "download one there",
            ),
            Ok(models) => {
                let names = models.iter().take(MODELS_NAMED_MAX);
                let names: Vec<&str> = names.map(|it| it.name.as_str()).collect();
                let more = match models.len().checked_sub(names.len()) {
                    None | Some(0) => String::new(),
                    Some(more) => format!(" and {more} more"),
                };
                let names = names.join("`, `");
                ok("models", format!("`{name}` at `{url}` has `{names}`{more}"))
            }
        }
    };
    if all.is_empty() {
        let message = "there is no model yet".to_owned();
        return vec![warning("models", message, NO_MODEL_FIX)];
    }
    all.iter().map(told).collect()
}

fn ok(check: &'static str, message: String) -> Finding {
    Finding {
        check,
        level: FindingLevel::Ok,
        message,
        fix: None,
    }
}

fn warning(check: &'static str, message: String, fix: &str) -> Finding {
    Finding {
        check,
        level: FindingLevel::Warning,
        message,
        fix: Some(fix.to_owned()),
    }
}

fn problem(check: &'static str, message: String, fix: Option<String>) -> Finding {
    Finding {
        check,
        level: FindingLevel::Problem,
        message,
        fix,
    }
}

fn free_bytes(path: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(path).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}
