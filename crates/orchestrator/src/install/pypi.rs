//! Packages from PyPI. Only wheels are taken: what has to be built runs code of its own.

use std::collections::BTreeSet;

use domain::{HostPort, PackageRef};
use store::Resolution;

use super::{
    RegistryAddress,
    builder::{Command, Running},
};
use crate::{Shared, install::host_port, install::sha256};

const APP: &str = "/install/app";
const LOCK: &str = "/install/app/requirements.txt";
const VENV: &str = "/install/app/venv";
const PYTHON: &str = "/install/app/venv/bin/python";
/// Prints the index that pip is set to, and where its own index keeps its files.
const ASK_PIP: &str = r"
import subprocess, sys
from pip._internal.models.index import PyPI
asked = subprocess.run([sys.executable, '-m', 'pip', 'config', 'get', 'global.index-url'],
                       capture_output=True, text=True)
print(asked.stdout.strip() or PyPI.simple_url)
print(PyPI.simple_url)
print(PyPI.file_storage_domain)
";
/// Prints the names of the commands of a distribution, reading its metadata and running nothing.
const ASK_COMMANDS: &str = r"
import glob, importlib.metadata, sys
paths = glob.glob('/install/app/venv/lib/python*/site-packages')
for dist in importlib.metadata.distributions(name=sys.argv[1], path=paths):
    for entry in dist.entry_points:
        if entry.group == 'console_scripts':
            print(entry.name)
    break
";

/// Returns the index that the settings name, or pip's own configuration.
pub(super) async fn registry(
    shared: &Shared,
    running: &Running,
) -> Result<RegistryAddress, String> {
    let settings = &shared.settings.registries;
    let asked = running.output(&["python3", "-c", ASK_PIP]).await?;
    let mut lines = asked.lines();
    let mut line = || lines.next().unwrap_or_default().trim().to_owned();
    let (configured, own, own_files) = (line(), line(), line());
    let url = settings.pypi.clone().unwrap_or(configured);
    let mut hosts: BTreeSet<_> = settings.hosts.iter().cloned().collect();
    hosts.insert(host_port(&url)?);
    if url.trim_end_matches('/') == own.trim_end_matches('/') {
        let files = HostPort::new(&own_files, 443);
        hosts.insert(files.map_err(|err| err.to_string())?);
    }
    Ok(RegistryAddress { url, hosts })
}

/// Makes a list of exact versions with hashes.
pub(super) async fn resolve(
    running: &Running,
    registry: &RegistryAddress,
    package: &PackageRef,
) -> Result<Resolution, String> {
    let wanted = match package.version.as_deref() {
        None => package.name.clone(),
        Some(version) if version.starts_with(['=', '<', '>', '~', '!']) => {
            format!("{}{version}", package.name)
        }
        Some(version) => format!("{}=={version}", package.name),
    };
    running.output(&["mkdir", "-p", APP]).await?;
    let argv = [
        "uv",
        "pip",
        "compile",
        "--quiet",
        "--no-header",
        "--no-annotate",
        "--generate-hashes",
        "--no-build",
        "--output-file",
        LOCK,
        "-",
    ];
    uv(running, registry, &argv, Some(&wanted)).await?;
    let lock = running.output(&["cat", LOCK]).await?;
    read_lock(&lock, &package.name)
}

/// Fetches the wheels that the list names, and checks them against the hashes there.
pub(super) async fn fetch(
    running: &Running,
    registry: &RegistryAddress,
    resolution: &Resolution,
) -> Result<(), String> {
    running.output(&["mkdir", "-p", APP]).await?;
    let command = Command {
        argv: &["sh", "-c", "cat > \"$0\"", LOCK],
        env: &[],
        input: Some(&resolution.lock),
        logs_output: false,
        watched: false,
    };
    running.run(&command).await?;
    let argv = [
        "uv",
        "venv",
        "--quiet",
        "--no-project",
        "--python",
        "python3",
        VENV,
    ];
    uv(running, registry, &argv, None).await?;
    let argv = [
        "uv",
        "pip",
        "install",
        "--quiet",
        "--python",
        PYTHON,
        "--require-hashes",
        "--no-build",
        "--no-deps",
        "--link-mode",
        "copy",
        "--compile-bytecode",
        "-r",
        LOCK,
    ];
    uv(running, registry, &argv, None).await?;
    running
        .output(&["rm", "-rf", "/install/.cache", "/install/.home"])
        .await?;
    Ok(())
}

/// Finds the command that starts the server.
pub(super) async fn command(
    running: &Running,
    package: &PackageRef,
) -> Result<Vec<String>, String> {
    let asked = running
        .output(&["python3", "-c", ASK_COMMANDS, &package.name])
        .await?;
    let names: Vec<&str> = asked
        .lines()
        .map(str::trim)
        .filter(|it| !it.is_empty())
        .collect();
    let name = choose(&names, package)?;
    let path = format!("{VENV}/bin/{name}");
    running.output(&["test", "-x", &path]).await.map_err(|_| {
        format!("the package's command `{name}` is not there after the installation")
    })?;
    Ok(vec![path])
}

async fn uv(
    running: &Running,
    registry: &RegistryAddress,
    argv: &[&str],
    input: Option<&str>,
) -> Result<(), String> {
    let env = [
        ("UV_DEFAULT_INDEX", registry.url.as_str()),
        ("UV_CACHE_DIR", "/install/.cache/uv"),
        ("UV_NO_CONFIG", "1"),
        ("UV_PYTHON_DOWNLOADS", "never"),
        ("UV_NO_PROGRESS", "1"),
    ];
    let command = Command {
        argv,
        env: &env,
        input,
        logs_output: true,
        watched: true,
    };
    running.run(&command).await.map_err(|err| in_words(&err))?;
    Ok(())
}

/// uv says much; what matters to a person comes first.
fn in_words(reason: &str) -> String {
    let hint = if reason.contains("was not found in the package registry") {
        "there is no such package in the registry: "
    } else if reason.contains("building source distributions is disabled")
        || reason.contains("no usable wheels")
        || reason.contains("has no wheels")
    {
        "the package or one that it needs has no wheel, and nothing is built from source: "
    } else if reason.contains("there is no version of") {
        "there is no such version of the package: "
    } else if reason.contains("Hash mismatch") {
        "what was fetched is not what the lock file names: "
    } else {
        ""
    };
    format!("{hint}{reason}")
}

/// Reads the version and hash of the package itself from the list.
fn read_lock(lock: &str, name: &str) -> Result<Resolution, String> {
    let mut own: Option<(String, Option<String>)> = None;
    let mut is_own = false;
    for line in lock.lines() {
        if let Some((found, rest)) = line.split_once("==")
            && !line.starts_with(' ')
        {
            is_own = normal(found) == normal(name);
            if is_own {
                let version = rest.split([' ', ';', '\\']).next().unwrap_or_default();
                own = Some((version.trim().to_owned(), None));
            }
        } else if let (true, Some(hash)) = (is_own, line.trim().strip_prefix("--hash=")) {
            let hash = hash.trim_end_matches('\\').trim();
            if let Some((_, integrity @ None)) = &mut own {
                *integrity = Some(hash.to_owned());
            }
        }
    }
    let (version, integrity) = own.ok_or_else(|| format!("uv's list does not name `{name}`"))?;
    Ok(Resolution {
        version,
        integrity,
        build_scripts: Vec::new(),
        lock_sha256: sha256(lock),
        lock: lock.to_owned(),
    })
}

/// A name as the index compares it (PEP 503).
fn normal(name: &str) -> String {
    let lower = name
        .split('[')
        .next()
        .unwrap_or(name)
        .trim()
        .to_ascii_lowercase();
    let parts = lower.split(['-', '_', '.']).filter(|it| !it.is_empty());
    parts.collect::<Vec<_>>().join("-")
}

/// Returns the command to run: the one that was asked for, the only one, or the one that is called
/// as the package.
fn choose(names: &[&str], package: &PackageRef) -> Result<String, String> {
    let all = names.join(", ");
    if let Some(wanted) = &package.command {
        let found = names.iter().find(|it| *it == wanted);
        return found
            .map(ToString::to_string)
            .ok_or_else(|| format!("the package has no command `{wanted}`; it has: {all}"));
    }
    match names {
        [] => Err("the package has no command, so it is no server that can be started".to_owned()),
        [only] => Ok((*only).to_owned()),
        _ => {
            let of_package = names.iter().find(|it| normal(it) == normal(&package.name));
            of_package
                .map(ToString::to_string)
                .ok_or_else(|| format!("the package has several commands; say which: {all}"))
        }
    }
}

#[cfg(test)]
mod tests;
