//! Packages from npm.

use std::collections::BTreeSet;

use domain::PackageRef;
use serde::Deserialize;
use serde_json::Value;
use store::Resolution;

use super::{
    RegistryAddress,
    builder::{Command, Running},
};
use crate::{Shared, install::host_port, install::sha256};

const APP: &str = "/install/app";
const LOCK: &str = "/install/app/package-lock.json";
/// Nothing is asked of anybody but the registry, and nothing runs.
const QUIET: [(&str, &str); 7] = [
    ("npm_config_audit", "false"),
    ("npm_config_fund", "false"),
    ("npm_config_update_notifier", "false"),
    ("npm_config_progress", "false"),
    ("npm_config_cache", "/install/.cache/npm"),
    ("npm_config_ignore_scripts", "true"),
    ("npm_config_omit", "dev"),
];

/// Returns the registry that the settings name, or npm's own configuration.
pub(super) async fn registry(
    shared: &Shared,
    running: &Running,
) -> Result<RegistryAddress, String> {
    let settings = &shared.settings.registries;
    let url = match &settings.npm {
        Some(url) => url.clone(),
        None => {
            running
                .output(&["npm", "config", "get", "registry"])
                .await?
        }
    };
    let url = url.trim().to_owned();
    let mut hosts: BTreeSet<_> = settings.hosts.iter().cloned().collect();
    hosts.insert(host_port(&url)?);
    Ok(RegistryAddress { url, hosts })
}

/// Makes a lock file. No script of any package runs.
pub(super) async fn resolve(
    running: &Running,
    registry: &RegistryAddress,
    package: &PackageRef,
) -> Result<Resolution, String> {
    let wanted = match &package.version {
        Some(version) => format!("{}@{version}", package.name),
        None => package.name.clone(),
    };
    running.output(&["mkdir", "-p", APP]).await?;
    let manifest = r#"{"name":"archestra-install","version":"0.0.0","private":true}"#;
    write(running, "/install/app/package.json", manifest).await?;
    npm(
        running,
        registry,
        &[
            "install",
            "--package-lock-only",
            "--save-exact",
            "--",
            &wanted,
        ],
    )
    .await?;
    let lock = running.output(&["cat", LOCK]).await?;
    read_lock(&lock, &package.name)
}

/// Fetches what the lock file names, and checks it against the hashes there.
pub(super) async fn fetch(
    running: &Running,
    registry: &RegistryAddress,
    resolution: &Resolution,
) -> Result<(), String> {
    running.output(&["mkdir", "-p", APP]).await?;
    write(running, LOCK, &resolution.lock).await?;
    write(
        running,
        "/install/app/package.json",
        &manifest_of(&resolution.lock)?,
    )
    .await?;
    npm(running, registry, &["ci"]).await?;
    running
        .output(&["rm", "-rf", "/install/.cache", "/install/.home"])
        .await?;
    Ok(())
}

/// Runs the packages' own scripts.
pub(super) async fn build(running: &Running) -> Result<(), String> {
    let mut env = QUIET.to_vec();
    env.retain(|(name, _)| *name != "npm_config_ignore_scripts");
    env.push(("npm_config_offline", "true"));
    let rebuilt = running
        .run(&Command {
            argv: &["npm", "--prefix", APP, "rebuild", "--foreground-scripts"],
            env: &env,
            input: None,
            logs_output: true,
            watched: true,
        })
        .await;
    running
        .output(&["rm", "-rf", "/install/.cache", "/install/.home"])
        .await?;
    rebuilt.map(|_output| ())
}

/// Finds the command that starts the server.
pub(super) async fn command(
    running: &Running,
    package: &PackageRef,
) -> Result<Vec<String>, String> {
    let manifest = format!("{APP}/node_modules/{}/package.json", package.name);
    let manifest = running.output(&["cat", &manifest]).await?;
    let name = choose_bin(&manifest, package)?;
    let path = format!("{APP}/node_modules/.bin/{name}");
    running.output(&["test", "-x", &path]).await.map_err(|_| {
        format!("the package's command `{name}` is not there after the installation")
    })?;
    Ok(vec![path])
}

async fn npm(running: &Running, registry: &RegistryAddress, args: &[&str]) -> Result<(), String> {
    let mut env = QUIET.to_vec();
    env.push(("npm_config_registry", &registry.url));
    let mut argv = vec!["npm", "--prefix", APP];
    argv.extend(args);
    let command = Command {
        argv: &argv,
        env: &env,
        input: None,
        logs_output: true,
        watched: true,
    };
    running.run(&command).await.map_err(|err| in_words(&err))?;
    Ok(())
}

/// npm says much; what matters to a person comes first.
fn in_words(reason: &str) -> String {
    let hint = if reason.contains("E404") {
        "there is no such package in the registry: "
    } else if reason.contains("ETARGET") || reason.contains("No matching version") {
        "there is no such version of the package: "
    } else if reason.contains("EINTEGRITY") {
        "what was fetched is not what the lock file names: "
    } else {
        ""
    };
    format!("{hint}{reason}")
}

async fn write(running: &Running, path: &str, text: &str) -> Result<(), String> {
    let command = Command {
        argv: &["sh", "-c", "cat > \"$0\"", path],
        env: &[],
        input: Some(text),
        logs_output: false,
        watched: false,
    };
    running.run(&command).await?;
    Ok(())
}

#[derive(Deserialize)]
struct Lock {
    packages: std::collections::BTreeMap<String, Locked>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Locked {
    version: Option<String>,
    integrity: Option<String>,
    #[serde(default)]
    has_install_script: bool,
    #[serde(default)]
    link: bool,
}

/// Reads what matters from a lock file, and refuses one that names what has no hash.
fn read_lock(lock: &str, name: &str) -> Result<Resolution, String> {
    let parsed: Lock = serde_json::from_str(lock)
        .map_err(|err| format!("npm's lock file is not understood: {err}"))?;
    let own = parsed.packages.get(&format!("node_modules/{name}"));
    let own = own.ok_or_else(|| format!("npm's lock file does not name `{name}`"))?;
    for (path, locked) in &parsed.packages {
        let is_root = path.is_empty();
        if !is_root && (locked.link || locked.integrity.is_none()) {
            let package = path.trim_start_matches("node_modules/");
            return Err(format!(
                "`{package}` has no hash in npm's lock file, so it cannot be checked"
            ));
        }
    }
    let scripts = parsed
        .packages
        .iter()
        .filter(|(_, it)| it.has_install_script);
    let scripts = scripts.map(|(path, it)| {
        let package = path.rsplit("node_modules/").next().unwrap_or(path);
        format!("{package}@{}", it.version.as_deref().unwrap_or("?"))
    });
    Ok(Resolution {
        version: own.version.clone().unwrap_or_default(),
        integrity: own.integrity.clone(),
        build_scripts: scripts.collect(),
        lock_sha256: sha256(lock),
        lock: lock.to_owned(),
    })
}

/// Makes the manifest that a lock file belongs to; `npm ci` compares the two.
fn manifest_of(lock: &str) -> Result<String, String> {
    let lock: Value = serde_json::from_str(lock).map_err(|err| err.to_string())?;
    let mut manifest = lock["packages"][""].clone();
    if !manifest.is_object() {
        return Err("npm's lock file has no root".to_owned());
    }
    manifest["private"] = true.into();
    Ok(manifest.to_string())
}

/// Returns the name of the command to run: the one that was asked for, the only one, or the one
/// that is called as the package.
fn choose_bin(manifest: &str, package: &PackageRef) -> Result<String, String> {
    let manifest: Value = serde_json::from_str(manifest)
        .map_err(|err| format!("the package's `package.json` is not understood: {err}"))?;
    let bare = package.name.rsplit('/').next().unwrap_or(&package.name);
    let names: Vec<String> = match &manifest["bin"] {
        Value::String(_) => vec![bare.to_owned()],
        Value::Object(bins) => bins.keys().cloned().collect(),
        _ => Vec::new(),
    };
    let is_plain = |it: &&String| !it.contains('/') && !it.starts_with('.');
    let names: Vec<&String> = names.iter().filter(is_plain).collect();
    let all = || {
        names
            .iter()
            .map(|it| it.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    if let Some(wanted) = &package.command {
        let found = names.iter().find(|it| **it == wanted);
        return found
            .map(ToString::to_string)
            .ok_or_else(|| format!("the package has no command `{wanted}`; it has: {}", all()));
    }
    match names.as_slice() {
        [] => Err("the package has no command, so it is no server that can be started".to_owned()),
        [only] => Ok((*only).clone()),
        _ => {
            let of_package = names.iter().find(|it| **it == bare);
            of_package
                .map(ToString::to_string)
                .ok_or_else(|| format!("the package has several commands; say which: {}", all()))
        }
    }
}

#[cfg(test)]
mod tests;
