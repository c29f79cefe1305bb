//! What a server may be, as far as that can be told before it is installed.

use std::{
    collections::BTreeSet,
    path::{Component, Path},
};

use domain::{HeaderName, HostFolder, Limits, PackageRef, Registry, Secret, ServerSpec, Source};

use crate::{
    Error,
    connect::{CA_BUNDLE, INSTALL_DIR},
};

/// The longest title of a server, in characters.
pub(super) const TITLE_CHARS_MAX: usize = 80;
const ARGS_MAX: usize = 64;
const ENV_MAX: usize = 128;
const VALUE_BYTES_MAX: usize = 32 << 10;
/// The longest value of a header, in bytes.
const HEADER_BYTES_MAX: usize = 8 << 10;
const HOSTS_MAX: usize = 256;
const FOLDERS_MAX: usize = 32;
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Refuses what makes no sense, before anything of it is stored.
pub(super) fn check_spec(spec: &ServerSpec, data_dir: &Path) -> Result<(), Error> {
    match &spec.source {
        Source::Package(package) => check_package(package)?,
        Source::Remote { url, .. } => check_url(url)?,
    }
    let too_many = |what: &str, max: usize| Err(Error::invalid(format!("more than {max} {what}")));
    if ARGS_MAX < spec.args.len() {
        return too_many("arguments", ARGS_MAX);
    }
    if ENV_MAX < spec.env.len() + spec.secrets.len() {
        return too_many("environment variables", ENV_MAX);
    }
    if HOSTS_MAX < spec.egress.len() {
        return too_many("hosts", HOSTS_MAX);
    }
    if FOLDERS_MAX < spec.folders.len() {
        return too_many("folders", FOLDERS_MAX);
    }
    let texts = spec.args.iter().chain(spec.env.values());
    for text in texts {
        if VALUE_BYTES_MAX < text.len() || text.contains('\0') {
            return Err(Error::invalid(format!(
                "an argument or a value is longer than {VALUE_BYTES_MAX} bytes or has a zero byte in it"
            )));
        }
    }
    let mut places = BTreeSet::new();
    for folder in &spec.folders {
        if !places.insert(Path::new(&folder.inside)) {
            return Err(Error::invalid(format!(
                "`{}` is the place of two folders",
                folder.inside
            )));
        }
        check_folder(folder, data_dir)?;
    }
    check_limits(spec.limits)
}

/// What is outside would be refused by the host, or never end.
fn check_limits(limits: Limits) -> Result<(), Error> {
    let Limits {
        memory_bytes_max,
        cpu_millis_max,
        pids_max,
        tmp_bytes_max,
        start_timeout_ms,
        call_timeout_ms,
        calls_max,
    } = limits;
    let bounds = [
        ("memory_bytes_max", memory_bytes_max, 32 << 20, 16 << 40),
        ("cpu_millis_max", cpu_millis_max.into(), 10, 1_000_000),
        // The most that a kernel has.
        ("pids_max", pids_max.into(), 8, 1 << 22),
        ("tmp_bytes_max", tmp_bytes_max, 1 << 20, 16 << 40),
        ("start_timeout_ms", start_timeout_ms, 100, DAY_MS),
        ("call_timeout_ms", call_timeout_ms, 100, DAY_MS),
        ("calls_max", calls_max.into(), 1, 100_000),
    ];
    for (name, value, least, most) in bounds {
        if value < least {
            return Err(Error::invalid(format!(
                "limit `{name}` is {value}, the least is {least}"
            )));
        }
        if most < value {
            return Err(Error::invalid(format!(
                "limit `{name}` is {value}, the most is {most}"
            )));
        }
    }
    Ok(())
}

/// Returns a title as it is shown, on one line.
pub(super) fn check_title(title: &str) -> Result<String, Error> {
    let title = title.trim();
    let chars = title.chars().count();
    if title.is_empty() || title.chars().any(char::is_control) {
        return Err(Error::invalid("a server's title must be one line of text"));
    }
    if TITLE_CHARS_MAX < chars {
        return Err(Error::invalid(format!(
            "the title has {chars} characters, the most is {TITLE_CHARS_MAX}"
        )));
    }
    Ok(title.to_owned())
}

/// The error does not repeat the value.
pub(super) fn check_header_value(name: &HeaderName, value: &Secret<String>) -> Result<(), Error> {
    let value = value.expose();
    let is_sent_as_it_is = value.bytes().all(|it| matches!(it, b' '..=b'~'))
        && value.trim() == value
        && !value.is_empty();
    if !is_sent_as_it_is {
        return Err(Error::invalid_with(
            format!("the value of header `{name}` cannot be sent"),
            "it has to be one line of ASCII, with no space at its ends",
        ));
    }
    if HEADER_BYTES_MAX < value.len() {
        return Err(Error::invalid(format!(
            "the value of header `{name}` is longer than {HEADER_BYTES_MAX} bytes"
        )));
    }
    Ok(())
}

fn check_folder(folder: &HostFolder, data_dir: &Path) -> Result<(), Error> {
    let inside = Path::new(&folder.inside);
    let is_plain = |path: &Path| {
        path.is_absolute()
            && path
                .components()
                .all(|it| matches!(it, Component::RootDir | Component::Normal(_)))
    };
    if !is_plain(&folder.host) {
        return Err(Error::invalid(format!(
            "folder `{}` must be an absolute path without `..`",
            folder.host.display()
        )));
    }
    let taken = [
        INSTALL_DIR,
        CA_BUNDLE,
        "/.archestra",
        "/bin",
        "/sbin",
        "/lib",
        "/lib64",
        "/run",
        "/proc",
        "/sys",
        "/dev",
        "/tmp",
        "/etc",
        "/usr",
    ];
    let is_taken = taken.iter().any(|it| inside.starts_with(it));
    if !is_plain(inside) || inside.parent().is_none() || is_taken {
        return Err(Error::invalid_with(
            format!("`{}` cannot be a folder's place inside", folder.inside),
            "take an absolute path of its own, for instance `/data`",
        ));
    }
    if folder.host.starts_with(data_dir) || data_dir.starts_with(&folder.host) {
        return Err(Error::invalid(format!(
            "folder `{}` holds this program's own data",
            folder.host.display()
        )));
    }
    Ok(())
}

/// What would be taken for an option, a path, an address or an alias is no package's name.
fn check_package(package: &PackageRef) -> Result<(), Error> {
    let fits = |text: &str, more: &str| {
        !text.is_empty()
            && text.len() <= 214
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || more.as_bytes().contains(&b))
    };
    let name = package.name.as_str();
    let is_name = match package.registry {
        Registry::Npm => {
            let (scope, bare) = match name.strip_prefix('@').map(|it| it.split_once('/')) {
                Some(Some((scope, bare))) => (Some(scope), bare),
                Some(None) => (Some(""), ""),
                None => (None, name),
            };
            let is_part = |it: &str| fits(it, "-._~") && !it.starts_with(['.', '-', '_']);
            scope.is_none_or(is_part) && is_part(bare)
        }
        Registry::Pypi => fits(name, "-._") && !name.starts_with(['.', '-', '_']),
    };
    if !is_name {
        return Err(Error::invalid_with(
            format!(
                "`{name}` is no name of a package of {}",
                package.registry.as_str()
            ),
            "give the name alone, and the version by itself",
        ));
    }
    if let Some(version) = &package.version
        && (!fits(version, ".-+~^<>=*!") || version.starts_with('-'))
    {
        return Err(Error::invalid(format!(
            "`{version}` is no version of a package"
        )));
    }
    if let Some(command) = &package.command
        && (!fits(command, "-._") || command.starts_with(['.', '-']))
    {
        return Err(Error::invalid(format!(
            "`{command}` is no name of a command"
        )));
    }
    Ok(())
}

fn check_url(url: &str) -> Result<(), Error> {
    let parsed = url::Url::parse(url)
        .map_err(|err| Error::invalid(format!("`{url}` is no address: {err}")))?;
    if !matches!(parsed.scheme(), "http" | "https") || parsed.host_str().is_none() {
        return Err(Error::invalid(format!(
            "`{url}` must begin with http:// or https://"
        )));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(Error::invalid(format!(
            "`{}` must not hold a user name or password",
            parsed.host_str().unwrap_or_default()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
