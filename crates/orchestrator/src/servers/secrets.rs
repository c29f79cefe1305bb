//! What a person gives a server to know or to send, sealed before it is stored.

use std::{collections::BTreeMap, fmt};

use domain::{Caller, EnvName, HeaderName, Secret, SecretId, ServerId, ServerSpec, Source};
use store::{AuditEvent, NewSecret};

use super::check::{check_header_value, check_spec};
use crate::{
    Error, Orchestrator, Shared,
    connect::{header_binding, secret_binding},
    directory, error_chain,
};

/// Headers of one server.
pub(super) const HEADERS_MAX: usize = 32;

/// What has a sealed value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sealed {
    /// A variable of a package's process, which sees the value in clear.
    Variable(EnvName),
    /// A header that goes with each request to a remote server.
    Header(HeaderName),
}

impl Orchestrator {
    /// Seals a value for a server, in the place of a former one. Processes that run are ended, so that
    /// the next ones have it.
    pub async fn set_secret(
        &self,
        name_or_id: &str,
        what: Sealed,
        value: Secret<String>,
        by: &Caller,
    ) -> Result<(), Error> {
        let (this, by) = (self.clone(), by.clone());
        let name = name_or_id.to_owned();
        self.to_its_end(async move { this.change_secret(&name, what, Some(value), &by).await })
            .await
    }

    /// Takes a value from a server, and out of the vault.
    pub async fn remove_secret(
        &self,
        name_or_id: &str,
        what: Sealed,
        by: &Caller,
    ) -> Result<(), Error> {
        let (this, by) = (self.clone(), by.clone());
        let name = name_or_id.to_owned();
        self.to_its_end(async move { this.change_secret(&name, what, None, &by).await })
            .await
    }

    async fn change_secret(
        &self,
        name_or_id: &str,
        what: Sealed,
        value: Option<Secret<String>>,
        by: &Caller,
    ) -> Result<(), Error> {
        let _one_at_a_time = self.shared.changing.lock().await;
        let shared = &self.shared;
        let row = self.find(name_or_id)?;
        let id = row.stored.id;
        let mut spec = row.stored.spec.clone();
        let sealed = match &value {
            Some(value) => Some(what.seal(shared, id, value, by)?),
            None => None,
        };
        let former = what.note(&mut spec, sealed.as_ref().map(|it| it.id))?;
        if sealed.is_none() && former.is_none() {
            return Err(Error::not_found(what.to_string()));
        }
        check_spec(&spec, &shared.settings.data_dir)?;
        let audit = AuditEvent {
            server: Some(id),
            server_slug: Some(row.stored.slug.to_string()),
            detail: Some(match &what {
                Sealed::Variable(name) => serde_json::json!({ "secret_given_in_clear": name }),
                Sealed::Header(header) => serde_json::json!({ "header": header }),
            }),
            ..self.event(
                match (&what, &sealed) {
                    (Sealed::Variable(_), Some(_)) => "secret.set",
                    (Sealed::Variable(_), None) => "secret.remove",
                    (Sealed::Header(_), Some(_)) => "header.set",
                    (Sealed::Header(_), None) => "header.remove",
                },
                by,
            )
        };
        let forget: Vec<SecretId> = former.into_iter().collect();
        let store = &shared.store;
        let changed = store.update_server_secrets(id, &spec, sealed.as_ref(), &forget, &audit);
        changed.await.map_err(Error::of_store)?;
        directory::sync(shared).await?;
        self.look_at_again(&row);
        Ok(())
    }
}

impl Sealed {
    fn seal(
        &self,
        shared: &Shared,
        server: ServerId,
        value: &Secret<String>,
        by: &Caller,
    ) -> Result<NewSecret, Error> {
        match self {
            Self::Variable(name) => seal_variable(shared, server, name, value, by),
            Self::Header(name) => seal_header(shared, server, name, value, by),
        }
    }

    /// Notes in the spec where the value is, or that there is none. Returns where it was.
    fn note(&self, spec: &mut ServerSpec, id: Option<SecretId>) -> Result<Option<SecretId>, Error> {
        match self {
            Self::Variable(name) => {
                if let Source::Remote { .. } = spec.source {
                    return Err(Error::invalid_with(
                        "a server that runs elsewhere has no variables here",
                        "what goes with each request to it are its headers",
                    ));
                }
                refuse_both(spec, name)?;
                Ok(match id {
                    Some(id) => spec.secrets.insert(name.clone(), id),
                    None => spec.secrets.remove(name),
                })
            }
            Self::Header(name) => {
                let headers = headers_of(spec)?;
                let former = match id {
                    Some(id) => headers.insert(name.clone(), id),
                    None => headers.remove(name),
                };
                if HEADERS_MAX < headers.len() {
                    return Err(too_many());
                }
                Ok(former)
            }
        }
    }
}

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "secret `{name}`"),
            Self::Header(name) => write!(f, "header `{name}`"),
        }
    }
}

/// Seals the environment that the person gives, and notes its names in the spec.
pub(super) fn seal(
    shared: &Shared,
    server: ServerId,
    spec: &mut ServerSpec,
    secrets: BTreeMap<EnvName, Secret<String>>,
    by: &Caller,
) -> Result<Vec<NewSecret>, Error> {
    let mut sealed = Vec::new();
    for (name, value) in secrets {
        refuse_both(spec, &name)?;
        let secret = seal_variable(shared, server, &name, &value, by)?;
        spec.secrets.insert(name, secret.id);
        sealed.push(secret);
    }
    Ok(sealed)
}

fn refuse_both(spec: &ServerSpec, name: &EnvName) -> Result<(), Error> {
    if spec.env.contains_key(name) {
        return Err(Error::invalid(format!(
            "`{name}` is given both as a secret and in clear"
        )));
    }
    Ok(())
}

/// Seals the headers that the person gives, and notes their names in the spec.
pub(super) fn seal_headers(
    shared: &Shared,
    server: ServerId,
    spec: &mut ServerSpec,
    given: BTreeMap<HeaderName, Secret<String>>,
    by: &Caller,
) -> Result<Vec<NewSecret>, Error> {
    if given.is_empty() {
        return Ok(Vec::new());
    }
    if HEADERS_MAX < given.len() {
        return Err(too_many());
    }
    let headers = headers_of(spec)?;
    let mut sealed = Vec::new();
    for (name, value) in given {
        let secret = seal_header(shared, server, &name, &value, by)?;
        headers.insert(name, secret.id);
        sealed.push(secret);
    }
    Ok(sealed)
}

fn headers_of(spec: &mut ServerSpec) -> Result<&mut BTreeMap<HeaderName, SecretId>, Error> {
    match &mut spec.source {
        Source::Remote { headers, .. } => Ok(headers),
        Source::Package(_) => Err(Error::invalid_with(
            "headers are for servers that run elsewhere",
            "give a package its credentials as secrets",
        )),
    }
}

fn too_many() -> Error {
    Error::invalid(format!("more than {HEADERS_MAX} headers"))
}

fn seal_variable(
    shared: &Shared,
    server: ServerId,
    name: &EnvName,
    value: &Secret<String>,
    by: &Caller,
) -> Result<NewSecret, Error> {
    let id = new_id();
    let binding = secret_binding(server, id, name.as_str());
    seal_one(shared, server, (id, name.as_str()), &binding, value, by)
}

fn seal_header(
    shared: &Shared,
    server: ServerId,
    name: &HeaderName,
    value: &Secret<String>,
    by: &Caller,
) -> Result<NewSecret, Error> {
    check_header_value(name, value)?;
    let id = new_id();
    let binding = header_binding(server, id, name);
    seal_one(shared, server, (id, name.as_str()), &binding, value, by)
}

fn seal_one(
    shared: &Shared,
    server: ServerId,
    (id, name): (SecretId, &str),
    binding: &str,
    value: &Secret<String>,
    by: &Caller,
) -> Result<NewSecret, Error> {
    let sealed = shared.vault.seal(binding, value);
    let sealed =
        sealed.map_err(|err| Error::invalid(format!("secret `{name}`: {}", error_chain(&err))))?;
    Ok(NewSecret {
        id,
        server: Some(server),
        provider: None,
        name: name.to_owned(),
        sealed,
        given_by: by.principal.clone(),
    })
}

fn new_id() -> SecretId {
    SecretId::from_uuid(uuid::Uuid::now_v7())
}
