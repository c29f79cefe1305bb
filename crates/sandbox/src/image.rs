//! Makes the base image: what servers from npm and PyPI need, and nothing that knows of them.
//!
//! It is made of packages of Debian, npm and PyPI by a recipe, `image/recipe.sh`, so no registry
//! of images takes part. Its name has the recipe's hash: another recipe is another image, and an
//! installation says by which one it was made.

use std::{
    collections::VecDeque,
    ffi::OsString,
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustix::process::{Pid, Signal};
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader},
    process::Child,
    sync::mpsc,
};

use crate::process;

const RECIPE: &str = include_str!("image/recipe.sh");
/// The longest that one step of the recipe may take.
const STEP_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// The most that is read of one line of the recipe's output, in bytes.
const LINE_BYTES_MAX: u64 = 4096;
/// The last lines that are told with a failure.
const LAST_LINES_MAX: usize = 12;
/// Lines that have been read and not been looked at yet.
const LINES_QUEUED_MAX: usize = 64;
const STEP_MARK: &str = "::step ";

/// Programs that the recipe needs, each with Debian's package for it.
const TOOLS: &[(&str, &str)] = &[
    ("sh", "dash"),
    ("mmdebstrap", "mmdebstrap"),
    ("npm", "npm"),
    ("python3", "python3-pip"),
    ("tar", "tar"),
];

/// Where the image is made.
#[derive(Debug, Clone)]
pub struct ImageSettings {
    /// Where the image and what was downloaded for it are kept; may be empty, and be emptied.
    pub cache_dir: PathBuf,
    /// The environment of the recipe, and all of it: `PATH`, `HOME`, proxies, certificates, and
    /// what npm and pip read. See [`recipe_environment`].
    pub env: Vec<(OsString, OsString)>,
}

/// What the recipe is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageProgress<'a> {
    Step(&'a str),
    /// A line that a tool has written.
    Line(&'a str),
}

#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    #[error("the base image cannot be made without {}", missing.join(", "))]
    ToolsMissing {
        missing: Vec<String>,
        /// How to get them on Debian.
        apt_line: String,
    },
    #[error("cannot {operation} `{}`", path.display())]
    Io {
        operation: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the base image could not be made: the step `{step}` failed; its last lines: `{}`", last_lines.join(" | "))]
    Step {
        step: String,
        last_lines: Vec<String>,
    },
    #[error(
        "the base image could not be made: the step `{step}` took longer than {STEP_TIMEOUT:?}"
    )]
    Timeout { step: String },
}

impl ImageError {
    /// Returns what a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::ToolsMissing { apt_line, .. } => Some(format!("run `{apt_line}`")),
            Self::Step { last_lines, .. } => hint_for(last_lines).map(str::to_owned),
            Self::Io { .. } | Self::Timeout { .. } => None,
        }
    }
}

/// Returns the name of the base image that this version of the program makes.
pub fn base_image_reference() -> String {
    format!("localhost/archestra-base:{}", recipe_hash())
}

/// Returns where the base image is kept in a cache folder.
pub fn base_image_tar(cache_dir: &Path) -> PathBuf {
    cache_dir.join(format!("base-{}.tar", recipe_hash()))
}

/// Returns those variables that the recipe's tools are known to read.
pub fn recipe_environment(
    all: impl IntoIterator<Item = (OsString, OsString)>,
) -> Vec<(OsString, OsString)> {
    const NAMES: &[&str] = &[
        "CURL_CA_BUNDLE",
        "HOME",
        "LANG",
        "NODE_EXTRA_CA_CERTS",
        "PATH",
        "REQUESTS_CA_BUNDLE",
        "SOURCE_DATE_EPOCH",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "TMPDIR",
        "USER",
    ];
    const PREFIXES: &[&str] = &["npm_config_", "pip_", "xdg_"];
    let is_read = |name: &OsString| {
        let name = name.to_string_lossy();
        let lower = name.to_ascii_lowercase();
        NAMES.contains(&name.as_ref())
            || lower.ends_with("_proxy")
            || PREFIXES.iter().any(|it| lower.starts_with(it))
    };
    all.into_iter().filter(|(name, _)| is_read(name)).collect()
}

/// Makes the base image's tar, unless the cache has it. Returns where it is.
///
/// Cancel safe: what was begun is ended and removed by the next call.
///
/// # Errors
///
/// [`ImageError::ToolsMissing`] names all that is missing, with the line that installs it.
pub async fn build_base_image(
    settings: &ImageSettings,
    progress: &(dyn Fn(ImageProgress<'_>) + Send + Sync),
) -> Result<PathBuf, ImageError> {
    let tar = base_image_tar(&settings.cache_dir);
    if tar.is_file() {
        return Ok(tar);
    }
    let sh = find_tools(&settings.env)?;

    let _one_at_a_time = lock(&settings.cache_dir).await?;
    if tar.is_file() {
        return Ok(tar);
    }
    let io = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| ImageError::Io {
            operation,
            path,
            source,
        }
    };
    let work = settings
        .cache_dir
        .join(format!("base-{}.work", recipe_hash()));
    remove_dir(&work).map_err(io("empty", &work))?;
    std::fs::create_dir_all(&work).map_err(io("make", &work))?;
    let recipe = work.join("recipe.sh");
    std::fs::write(&recipe, RECIPE).map_err(io("write", &recipe))?;
    let made = work.join("made.tar");
    let child = process::command(&sh, &settings.env, &work)
        .arg(&recipe)
        .arg(&made)
        .arg(&work)
        .arg(settings.cache_dir.join("downloads"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(io("start", &sh))?;
    let _with_its_children = Group::of(&child);
    follow(child, progress).await?;
    // It is there whole or not at all, whoever looks.
    std::fs::rename(&made, &tar).map_err(io("keep", &tar))?;
    remove_dir(&work).map_err(io("empty", &work))?;
    Ok(tar)
}

/// The processes that a recipe has started, and those that these have. They end with this.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let pid = child.id().and_then(|it| i32::try_from(it).ok());
        Self(pid.and_then(Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // Not `SIGKILL`: what it has mounted is to be taken away. An error says that nobody is
            // left.
            rustix::process::kill_process_group(pid, Signal::TERM).ok();
        }
    }
}

/// Waits until no other process makes the image in this folder. Cancel safe.
async fn lock(cache_dir: &Path) -> Result<File, ImageError> {
    const LOOK_AGAIN: Duration = Duration::from_millis(200);
    let path = cache_dir.join("base.lock");
    let io = |source| ImageError::Io {
        operation: "lock",
        path: path.clone(),
        source,
    };
    std::fs::create_dir_all(cache_dir).map_err(io)?;
    let file = File::create(&path).map_err(io)?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(LOOK_AGAIN).await,
            Err(TryLockError::Error(err)) => return Err(io(err)),
        }
    }
}

fn recipe_hash() -> String {
    let digest = Sha256::digest(RECIPE);
    let mut text = String::new();
    for byte in &digest[..8] {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// Returns where `sh` is, if nothing is missing.
fn find_tools(env: &[(OsString, OsString)]) -> Result<PathBuf, ImageError> {
    let found = |tool: &str| process::find(Path::new(tool), env);
    let missing: Vec<&(&str, &str)> = TOOLS.iter().filter(|it| found(it.0).is_none()).collect();
    match found("sh") {
        Some(sh) if missing.is_empty() => Ok(sh),
        _ => Err(ImageError::ToolsMissing {
            missing: missing.iter().map(|it| format!("`{}`", it.0)).collect(),
            apt_line: format!(
                "apt-get install {}",
                missing.iter().map(|it| it.1).collect::<Vec<_>>().join(" ")
            ),
        }),
    }
}

/// Reads what the recipe says until it ends.
async fn follow(
    mut child: Child,
    progress: &(dyn Fn(ImageProgress<'_>) + Send + Sync),
) -> Result<(), ImageError> {
    let (sender, mut lines) = mpsc::channel(LINES_QUEUED_MAX);
    let stdout = read_lines(child.stdout.take(), sender.clone());
    let stderr = read_lines(child.stderr.take(), sender);
    let mut step = "begin".to_owned();
    let mut last_lines = VecDeque::new();
    let looking = async {
        loop {
            match tokio::time::timeout(
                STEP_TIMEOUT,
                next_step(&mut lines, &mut last_lines, progress),
            )
            .await
            {
                Ok(Some(next)) => step = next,
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    };
    let is_read = tokio::select! {
        is_read = looking => is_read,
        () = async { tokio::join!(stdout, stderr); std::future::pending().await } => true,
    };
    if !is_read {
        // It is killed as its handle is dropped.
        return Err(ImageError::Timeout { step });
    }
    let status = tokio::time::timeout(STEP_TIMEOUT, child.wait()).await;
    match status {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(_) => Err(ImageError::Step {
            step,
            last_lines: last_lines.into(),
        }),
        Err(_) => Err(ImageError::Timeout { step }),
    }
}

/// Reads on to the next step, `None` at the end.
async fn next_step(
    lines: &mut mpsc::Receiver<String>,
    last: &mut VecDeque<String>,
    progress: &(dyn Fn(ImageProgress<'_>) + Send + Sync),
) -> Option<String> {
    while let Some(line) = lines.recv().await {
        if let Some(step) = line.strip_prefix(STEP_MARK) {
            progress(ImageProgress::Step(step));
            return Some(step.to_owned());
        }
        progress(ImageProgress::Line(&line));
        if last.len() == LAST_LINES_MAX {
            last.pop_front();
        }
        last.push_back(line);
    }
    None
}

async fn read_lines(source: Option<impl AsyncRead + Unpin>, sender: mpsc::Sender<String>) {
    let Some(source) = source else { return };
    let mut source = BufReader::new(source);
    loop {
        let mut line = Vec::new();
        // A longer one comes in pieces.
        let read = (&mut source)
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut line)
            .await;
        if !matches!(read, Ok(1..)) {
            return;
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if !line.is_empty() && sender.send(line).await.is_err() {
            return;
        }
    }
}

fn hint_for(last_lines: &[String]) -> Option<&'static str> {
    let is = |needle: &str| last_lines.iter().any(|it| it.contains(needle));
    if is("No module named pip") {
        Some("run `apt-get install python3-pip`")
    } else if is("newuidmap") || is("subuid") || is("unshare") {
        Some(
            "run `apt-get install uidmap` and give your user ranges of user ids, or make the image as root",
        )
    } else if is("No space left") {
        Some("free 2 GB of disk space")
    } else if is("certificate") || is("CERT") {
        Some("name your network's certificates in `SSL_CERT_FILE` and `NODE_EXTRA_CA_CERTS`")
    } else {
        None
    }
}

fn remove_dir(path: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => Err(err),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
