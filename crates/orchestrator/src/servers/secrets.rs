//! What a person gives a server to know or to send, sealed before it is stored.

use std::collections::BTreeMap;

use domain::{Caller, EnvName, HeaderName, Secret, SecretId, ServerId, ServerSpec, Source};
use store::{AuditEvent, NewSecret};

use super::check::check_header_value;
use crate::{
    Error, Orchestrator, Shared,
    connect::{header_binding, secret_binding},
    directory, error_chain,
};

/// Headers of one server.
pub(super) const HEADERS_MAX: usize = 32;

impl Orchestrator {
    /// Sets a header that goes with each request to a remote server, in the place of a former value.
    pub async fn set_header(
        &self,
        name_or_id: &str,
        header: HeaderName,
        value: Secret<String>,
        by: &Caller,
    ) -> Result<(), Error> {
        let (this, by) = (self.clone(), by.clone());
        let name = name_or_id.to_owned();
        self.to_its_end(async move { this.change_header(&name, header, Some(value), &by).await })
            .await
    }

    /// Removes a header of a remote server, and its value from the vault.
    pub async fn remove_header(
        &self,
        name_or_id: &str,
        header: HeaderName,
        by: &Caller,
    ) -> Result<(), Error> {
        let (this, by) = (self.clone(), by.clone());
        let name = name_or_id.to_owned();
        self.to_its_end(async move { this.change_header(&name, header, None, &by).await })
            .await
    }

    async fn change_header(
        &self,
        name_or_id: &str,
        header: HeaderName,
        value: Option<Secret<String>>,
        by: &Caller,
    ) -> Result<(), Error> {
        let _one_at_a_time = self.shared.changing.lock().await;
        let shared = &self.shared;
        let row = self.find(name_or_id)?;
        let id = row.stored.id;
        let mut spec = row.stored.spec.clone();
        let kind = match value {
            Some(_) => "header.set",
            None => "header.remove",
        };
        let sealed = match value {
            Some(value) => Some(seal_header(shared, id, &header, &value, by)?),
            None => None,
        };
        let headers = headers_of(&mut spec)?;
        let former = match &sealed {
            Some(sealed) => headers.insert(header.clone(), sealed.id),
            None => headers.remove(&header),
        };
        if sealed.is_none() && former.is_none() {
            return Err(Error::not_found(format!("header `{header}`")));
        }
        if HEADERS_MAX < headers.len() {
            return Err(too_many());
        }
        let audit = AuditEvent {
            server: Some(id),
            server_slug: Some(row.stored.slug.to_string()),
            detail: Some(serde_json::json!({ "header": header })),
            ..self.event(kind, by)
        };
        let forget: Vec<SecretId> = former.into_iter().collect();
        let store = &shared.store;
        let changed = store.update_server_secrets(id, &spec, sealed.as_ref(), &forget, &audit);
        changed.await.map_err(Error::of_store)?;
        directory::sync(shared).await?;
        if row.is_usable() {
            self.look_at(row.stored.slug.clone());
        }
        Ok(())
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
        if spec.env.contains_key(&name) {
            return Err(Error::invalid(format!(
                "`{name}` is given both as a secret and in clear"
            )));
        }
        let id = new_id();
        let binding = secret_binding(server, id, name.as_str());
        sealed.push(seal_one(
            shared,
            server,
            (id, name.as_str()),
            &binding,
            &value,
            by,
        )?);
        spec.secrets.insert(name, id);
    }
    Ok(sealed)
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
