use std::path::{Path, PathBuf};

/// Variables by which programs are told of a bundle, the most general first.
const VARIABLES: [&str; 4] = [
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
];

/// Where distributions keep theirs.
const USUAL: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
];

/// The file with the authorities that the host trusts, which may have a company's own among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaBundle {
    pub path: PathBuf,
    /// The variable that names it; `None` for the system's own.
    pub named_by: Option<&'static str>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{variable}` names `{}`, which is not there; correct or unset it", path.display())]
pub struct CaBundleError {
    pub variable: &'static str,
    pub path: PathBuf,
}

/// Finds the host's bundle, by the variables and then by the usual places. `None` when there is
/// none.
pub fn find_ca_bundle(
    variable: impl Fn(&str) -> Option<String>,
    exists: impl Fn(&Path) -> bool,
) -> Result<Option<CaBundle>, CaBundleError> {
    let set = |name: &'static str| {
        let value = variable(name).filter(|it| !it.is_empty())?;
        Some((name, PathBuf::from(value)))
    };
    if let Some((name, path)) = VARIABLES.into_iter().find_map(set) {
        if !exists(&path) {
            return Err(CaBundleError {
                variable: name,
                path,
            });
        }
        return Ok(Some(CaBundle {
            path,
            named_by: Some(name),
        }));
    }
    let found = USUAL.into_iter().map(Path::new).find(|it| exists(it));
    Ok(found.map(|path| CaBundle {
        path: path.to_owned(),
        named_by: None,
    }))
}

#[cfg(test)]
mod tests;
