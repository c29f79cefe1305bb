use std::{
    io,
    os::unix::fs::MetadataExt as _,
    path::{Component, Path, PathBuf},
};

use domain::FolderAccess;

use super::container::USER;
use crate::SandboxError;

/// What decides whether a folder of the host may be given away.
#[derive(Debug)]
pub(super) struct FolderRules<'a> {
    /// The home directory of whoever runs the program.
    pub(super) home: Option<&'a Path>,
    /// Where the program keeps its own things, secrets among them.
    pub(super) data_dir: &'a Path,
    /// Whom the host takes the container's user for.
    pub(super) user: HostUser,
}

/// The user inside, as the host sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HostUser {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) rootless: bool,
}

impl HostUser {
    /// Returns the one of containers that a rootless or a rootful Podman makes.
    pub(super) fn of(rootless: bool) -> Self {
        let (uid, gid) = if rootless {
            let (uid, gid) = (rustix::process::getuid(), rustix::process::getgid());
            (uid.as_raw(), gid.as_raw())
        } else {
            (USER, USER)
        };
        Self { uid, gid, rootless }
    }
}

/// What the file system says about a folder.
#[derive(Debug, Clone)]
struct Found {
    /// Without a symbolic link.
    canonical: PathBuf,
    is_dir: bool,
    uid: u32,
    gid: u32,
    mode: u32,
}

/// Refuses a folder or file that must not be mounted, or that the container's user could not use.
pub(super) async fn check_folder(
    path: &Path,
    access: FolderAccess,
    rules: &FolderRules<'_>,
) -> Result<(), SandboxError> {
    let verdict = match find(path).await {
        Ok(found) => judge(path, access, &found, rules),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Err(Refusal::new(
            "it does not exist",
            format!("create it: `mkdir -p '{}'`", path.display()),
        )),
        Err(err) => Err(Refusal::new(
            format!("it cannot be looked at: {err}"),
            "choose a folder that you can open yourself",
        )),
    };
    verdict.map_err(|Refusal { reason, fix }| SandboxError::FolderRefused {
        path: path.to_owned(),
        reason,
        fix,
    })
}

async fn find(path: &Path) -> io::Result<Found> {
    let canonical = tokio::fs::canonicalize(path).await?;
    let metadata = tokio::fs::metadata(&canonical).await?;
    Ok(Found {
        canonical,
        is_dir: metadata.is_dir(),
        uid: metadata.uid(),
        gid: metadata.gid(),
        mode: metadata.mode() & 0o7777,
    })
}

#[derive(Debug)]
struct Refusal {
    reason: String,
    fix: String,
}

impl Refusal {
    fn new(reason: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            fix: fix.into(),
        }
    }
}

fn judge(
    path: &Path,
    access: FolderAccess,
    found: &Found,
    rules: &FolderRules<'_>,
) -> Result<(), Refusal> {
    // Compared as text: `Path` takes `/a/./b` for `/a/b`.
    if found.canonical.as_os_str() != path.as_os_str() {
        return Err(Refusal::new(
            format!(
                "the path is another way to write `{}`",
                found.canonical.display()
            ),
            format!(
                "give `{}` itself, if that is what you want",
                found.canonical.display()
            ),
        ));
    }
    let within = "choose a folder in it that holds only what the server is to see";
    if path == Path::new("/") {
        return Err(Refusal::new("it is the whole file system", within));
    }
    if let Some(home) = home_in(path, rules.home) {
        return Err(Refusal::new(
            format!("it holds the home directory `{}`", home.display()),
            within,
        ));
    }
    if path.starts_with(rules.data_dir) || rules.data_dir.starts_with(path) {
        return Err(Refusal::new(
            format!(
                "this program keeps its own data in `{}`",
                rules.data_dir.display()
            ),
            "choose another folder",
        ));
    }
    let system = ["/proc", "/sys", "/dev"];
    if system.iter().any(|it| path.starts_with(it)) {
        return Err(Refusal::new(
            "it belongs to the operating system",
            "choose a folder with files of your own",
        ));
    }
    check_modes(path, access, found, rules.user)
}

/// Returns the home directory that is `path` or in it.
fn home_in(path: &Path, ours: Option<&Path>) -> Option<PathBuf> {
    let known = ours.into_iter().chain([Path::new("/root")]);
    if let Some(home) = known.into_iter().find(|home| home.starts_with(path)) {
        return Some(home.to_owned());
    }
    // Those of other people, on Linux and macOS.
    let parents = ["/home", "/Users"].map(Path::new);
    let is_home = path == parents[0] || path == parents[1];
    let is_someones = path.parent().is_some_and(|it| parents.contains(&it));
    (is_home || is_someones).then(|| path.to_owned())
}

/// Compares the permission bits with what the server is to do. Lists of access rights beyond them
/// are not looked at; a group that such a list mentions shows up in the bits of the group.
fn check_modes(
    path: &Path,
    access: FolderAccess,
    found: &Found,
    user: HostUser,
) -> Result<(), Refusal> {
    let mut wanted = 0o4;
    if found.is_dir {
        wanted |= 0o1;
    }
    if access == FolderAccess::ReadWrite {
        wanted |= 0o2;
    }
    let (class, shift) = if found.uid == user.uid {
        ("u", 6)
    } else if found.gid == user.gid {
        ("g", 3)
    } else {
        ("o", 0)
    };
    let missing = wanted & !(found.mode >> shift);
    if missing == 0 {
        return Ok(());
    }

    let reason = format!(
        "the user inside the sandbox ({}:{} on this machine) may not {} it (its owner is {}:{}, its mode {:04o})",
        user.uid,
        user.gid,
        if missing & 0o4 != 0 {
            "read"
        } else if missing & 0o2 != 0 {
            "write"
        } else {
            "open"
        },
        found.uid,
        found.gid,
        found.mode,
    );
    let path = path.display();
    let letters = match access {
        FolderAccess::ReadOnly => "rX",
        FolderAccess::ReadWrite => "rwX",
    };
    let fix = match (access, class, user.rootless) {
        (_, "u", _) => format!("run `chmod -R u+{letters} '{path}'`"),
        (FolderAccess::ReadOnly, _, _) => format!("run `chmod -R {class}+rX '{path}'`"),
        (FolderAccess::ReadWrite, _, true) => format!(
            "choose a folder that belongs to you, or run `sudo chown -R {}:{} '{path}'`",
            user.uid, user.gid
        ),
        (FolderAccess::ReadWrite, _, false) => format!(
            "run `chown -R {}:{} '{path}'`, or use Podman without root",
            user.uid, user.gid
        ),
    };
    Err(Refusal::new(reason, fix))
}

/// Refuses a place inside the sandbox that is not the server's to have.
pub(super) fn check_inside(inside: &str) -> Result<(), String> {
    let path = Path::new(inside);
    let is_plain = path.is_absolute()
        && path
            .components()
            .skip(1)
            .all(|it| matches!(it, Component::Normal(_)))
        && path.components().nth(1).is_some()
        && !inside.contains([',', ':', '\\'])
        && !inside.chars().any(char::is_control);
    if !is_plain {
        return Err(format!(
            "`{inside}` is no place for a folder inside a sandbox; it must be an absolute path without `..`, `:`, `,` and `\\`"
        ));
    }
    let ours = [
        "/.archestra",
        "/run",
        "/proc",
        "/sys",
        "/dev",
        "/etc",
        "/usr",
        "/bin",
        "/lib",
    ];
    match ours.iter().find(|it| path.starts_with(it)) {
        Some(it) => Err(format!(
            "`{inside}` is in `{it}`, which is not the server's"
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
