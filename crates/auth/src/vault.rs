use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{ErrorKind, Read as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use domain::Secret;
use zeroize::Zeroizing;

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
/// The first byte of what is sealed, for the day when it is done in another way.
const VERSION: u8 = 1;
/// The longest secret, in bytes.
const SECRET_BYTES_MAX: usize = 32 << 10;

/// Seals values and opens them again, with one data key.
pub struct Vault {
    cipher: XChaCha20Poly1305,
}

#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error(
        "the key file `{}` is missing, and there are secrets that only it opens; put it back from a backup, or remove the secrets", path.display()
    )]
    KeyMissing { path: PathBuf },
    #[error("the key file `{}` has mode {mode:o}; others may have read it: `chmod 600` it if you are sure that nobody has", path.display())]
    KeyMode { path: PathBuf, mode: u32 },
    #[error("`{}` is not a key file: it must be a file of {KEY_BYTES} bytes", path.display())]
    KeyForm { path: PathBuf },
    #[error("cannot {what} the key file `{}`", path.display())]
    KeyFile {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("a secret of {bytes} bytes, the most is {SECRET_BYTES_MAX}")]
    TooLong { bytes: usize },
    #[error("what is stored is not a value that this program has sealed")]
    Form,
    /// It was sealed with another key or for another row, or it was changed.
    #[error("the sealed value does not belong here: another key, another place, or it was changed")]
    Foreign,
}

impl Vault {
    /// Opens the vault with the key in `path`.
    ///
    /// A new key is made when there is none; not when `has_secrets`, since those would be lost.
    pub fn open(path: &Path, has_secrets: bool) -> Result<Self, VaultError> {
        let key = match read_key(path)? {
            Some(key) => key,
            None if has_secrets => {
                let path = path.to_owned();
                return Err(VaultError::KeyMissing { path });
            }
            None => make_key(path)?,
        };
        Ok(Self {
            cipher: XChaCha20Poly1305::new((&*key).into()),
        })
    }

    /// Seals a value for one place. Only [`open`](Self::open) with an equal `binding` opens it.
    ///
    /// A binding names the row, for instance `secret:<id>:server:<id>:<name>`.
    pub fn seal(&self, binding: &str, secret: &Secret<String>) -> Result<Vec<u8>, VaultError> {
        let clear = secret.expose().as_bytes();
        if SECRET_BYTES_MAX < clear.len() {
            let bytes = clear.len();
            return Err(VaultError::TooLong { bytes });
        }
        let mut nonce = [0; NONCE_BYTES];
        fill_random(&mut nonce);
        let payload = Payload {
            msg: clear,
            aad: &bound(binding),
        };
        let sealed = self
            .cipher
            .encrypt(XNonce::from_slice(&nonce), payload)
            .expect("the length is far below the cipher's bound");
        let mut bytes = Vec::with_capacity(1 + NONCE_BYTES + sealed.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&sealed);
        Ok(bytes)
    }

    /// Opens a value that was sealed for `binding`.
    pub fn unseal(&self, binding: &str, sealed: &[u8]) -> Result<Secret<String>, VaultError> {
        let most = 1 + NONCE_BYTES + SECRET_BYTES_MAX + TAG_BYTES;
        let Some((&VERSION, rest)) = sealed.split_first() else {
            return Err(VaultError::Form);
        };
        if rest.len() < NONCE_BYTES + TAG_BYTES || most < sealed.len() {
            return Err(VaultError::Form);
        }
        let (nonce, sealed) = rest.split_at(NONCE_BYTES);
        let payload = Payload {
            msg: sealed,
            aad: &bound(binding),
        };
        let clear = self
            .cipher
            .decrypt(XNonce::from_slice(nonce), payload)
            .map_err(|_| VaultError::Foreign)?;
        let clear = String::from_utf8(clear).map_err(|_| VaultError::Foreign)?;
        Ok(Secret::new(clear))
    }
}

/// Returns what is authenticated beside the value: the version too, so that it cannot be swapped.
fn bound(binding: &str) -> Vec<u8> {
    let mut bytes = b"archestra vault ".to_vec();
    bytes.push(VERSION);
    bytes.extend_from_slice(binding.as_bytes());
    bytes
}

pub(crate) fn fill_random(bytes: &mut [u8]) {
    getrandom::fill(bytes)
        .expect("the system has random bytes, without which nothing here is safe");
}

type Key = Zeroizing<[u8; KEY_BYTES]>;

fn file_error(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> VaultError {
    let path = path.to_owned();
    move |source| VaultError::KeyFile { what, path, source }
}

/// Reads the key, `None` when there is no file.
fn read_key(path: &Path) -> Result<Option<Key>, VaultError> {
    let form = || VaultError::KeyForm {
        path: path.to_owned(),
    };
    // Looked at before it is opened: opening a pipe would wait for ever.
    match path.symlink_metadata() {
        Ok(meta) if !meta.is_file() => return Err(form()),
        Ok(_) => {}
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(file_error("open", path)(err)),
    }
    let mut file = File::open(path).map_err(file_error("open", path))?;
    let meta = file.metadata().map_err(file_error("open", path))?;
    let mode = meta.permissions().mode() & 0o7777;
    if mode != 0o600 && mode != 0o400 {
        let path = path.to_owned();
        return Err(VaultError::KeyMode { path, mode });
    }
    if meta.len() != KEY_BYTES as u64 {
        return Err(form());
    }
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    file.read_exact(&mut *key)
        .map_err(file_error("read", path))?;
    Ok(Some(key))
}

/// Makes a key file: whole or not at all, and never over another.
fn make_key(path: &Path) -> Result<Key, VaultError> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    fill_random(&mut *key);
    let mut suffix = [0; 4];
    fill_random(&mut suffix);
    let unfinished = path.with_extension(format!("part-{:08x}", u32::from_be_bytes(suffix)));
    let write = || {
        let mut options = OpenOptions::new();
        options.create_new(true).write(true).mode(0o600);
        let mut file = options.open(&unfinished)?;
        file.write_all(&*key)?;
        file.sync_all()?;
        // Unlike a rename, a link does not replace what another process has just made.
        std::fs::hard_link(&unfinished, path)
    };
    let written = write();
    let removed = std::fs::remove_file(&unfinished);
    match written {
        Ok(()) => {}
        Err(err) if err.kind() == ErrorKind::AlreadyExists => {
            return read_key(path)?.ok_or_else(|| file_error("create", path)(err));
        }
        Err(err) => return Err(file_error("create", path)(err)),
    }
    removed.map_err(file_error("create", path))?;
    if let Some(dir) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
        let dir = File::open(dir).map_err(file_error("create", path))?;
        dir.sync_all().map_err(file_error("create", path))?;
    }
    Ok(key)
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault([redacted])")
    }
}

#[cfg(test)]
mod tests;
