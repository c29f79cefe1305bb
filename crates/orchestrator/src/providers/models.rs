//! Providers' models: lists of them, tests, and the one that a chat asks.

use std::{collections::BTreeSet, sync::Arc};

use agent::{Model, ModelClient, ModelError, ModelErrorKind, ModelInfo, Provider, TestReport};
use domain::{PrincipalName, ProviderId, SecretId, Timestamp};
use futures_util::{FutureExt as _, StreamExt as _, stream};
use store::{AuditEvent, ModelDefault, StoredProvider};

use super::{
    ProviderDetails, choose::choose, details, discovery, kind_of, listings::Listed, rows_of,
};
use crate::{Error, Event, Orchestrator, Reach, Shared, error_chain};

/// Providers that are asked for their models at a time.
const ASKED_PARALLEL_MAX: usize = 8;

/// The model that a chat asks.
pub struct ChosenModel {
    pub provider: ProviderId,
    pub provider_name: String,
    pub name: String,
    /// Whether it only plays a model.
    pub demo: bool,
    pub model: Arc<dyn Model>,
    /// What its provider says of it: context length, tools, images. `None` where it says nothing.
    pub info: Option<ModelInfo>,
}

/// A provider with its models.
#[derive(Debug, Clone)]
pub struct ProviderModels {
    pub provider: ProviderDetails,
    pub models: Result<Arc<[ModelInfo]>, ModelError>,
}

/// How old an answer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    /// As the settings say.
    Short,
    Any,
    Now,
}

impl Orchestrator {
    /// Returns the model to ask. `None` takes what the principal has chosen as a default; where it
    /// has chosen nothing, the first provider that answers, and that provider's default model or the
    /// first one that fits. The scripted model comes last.
    ///
    /// A model that is named is not looked for: it is the provider who says that it is not there.
    ///
    /// Cancel safe.
    pub async fn model_for(
        &self,
        provider: Option<ProviderId>,
        model: Option<&str>,
        by: &PrincipalName,
    ) -> Result<ChosenModel, Error> {
        let shared = &self.shared;
        let default = self.default_model(by).await?;
        match (provider, model) {
            (Some(id), Some(model)) => {
                let row = usable(shared, id, by).await?;
                self.chosen(&row, model).await
            }
            (Some(id), None) => {
                let row = usable(shared, id, by).await?;
                let default = default.filter(|it| it.provider == id).map(|it| it.model);
                let name = match default.or_else(|| row.default_model.clone()) {
                    Some(name) => name,
                    None => self.first_model(&row).await.map_err(Error::Model)?,
                };
                self.chosen(&row, &name).await
            }
            (None, Some(model)) => self.model_somewhere(model, default, by).await,
            (None, None) => match default {
                Some(default) => {
                    let row = usable(shared, default.provider, by).await?;
                    self.chosen(&row, &default.model).await
                }
                None => self.first_of_all(by).await,
            },
        }
    }

    /// Returns what a provider says that it has. What it said a short time ago holds, unless
    /// `refresh`.
    ///
    /// Cancel safe.
    pub async fn models(
        &self,
        id: ProviderId,
        refresh: bool,
        by: &PrincipalName,
    ) -> Result<Arc<[ModelInfo]>, Error> {
        let row = visible(&self.shared, id, by).await?;
        let age = if refresh { Age::Now } else { Age::Short };
        self.listed(&row, age).await.map_err(Error::Model)
    }

    /// Returns what a provider has said of a model, if it has. Nobody is asked anything.
    pub async fn known_model(
        &self,
        id: ProviderId,
        model: &str,
        by: &PrincipalName,
    ) -> Result<Option<ModelInfo>, Error> {
        let row = match visible(&self.shared, id, by).await {
            Ok(row) => row,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(err) => return Err(err),
        };
        let slot = self.shared.listings.slot(id);
        let listed = slot.kept(&row, Timestamp { unix_ms: 0 });
        let listed = listed.and_then(Result::ok);
        Ok(listed.and_then(|it| it.iter().find(|it| it.name == model).cloned()))
    }

    /// Returns all providers that are switched on, each with its models or why there are none. What
    /// they said a short time ago holds, unless `refresh`.
    ///
    /// Cancel safe.
    pub async fn all_models(
        &self,
        refresh: bool,
        by: &PrincipalName,
    ) -> Result<Vec<ProviderModels>, Error> {
        let age = match refresh {
            true => {
                discovery::look(&self.shared).await?;
                Age::Now
            }
            false => {
                discovery::look_if_due(&self.shared).await?;
                Age::Short
            }
        };
        let mut rows = rows_of(&self.shared, by).await?;
        rows.retain(|it| it.enabled);
        let asked: Vec<_> = rows
            .into_iter()
            .map(|it| self.ask(it, age).boxed())
            .collect();
        let asked = stream::iter(asked).buffered(ASKED_PARALLEL_MAX);
        Ok(asked.collect().await)
    }

    /// Tries a provider's address and key, now.
    ///
    /// Cancel safe.
    pub async fn test_provider(
        &self,
        id: ProviderId,
        by: &PrincipalName,
    ) -> Result<Result<TestReport, ModelError>, Error> {
        let row = visible(&self.shared, id, by).await?;
        let tested = match client(&self.shared, &row).await {
            Ok(client) => client.test().await,
            Err(err) => Err(err),
        };
        let listed: Option<Listed> = match &tested {
            Ok(report) => Some(Ok(report.models.clone().into())),
            // It has said that it has none, which is no failure of its list.
            Err(err) if err.kind == ModelErrorKind::ModelMissing => None,
            Err(err) => Some(Err(err.clone())),
        };
        if let Some(listed) = listed {
            self.keep(&row, listed);
        }
        Ok(tested)
    }

    /// Returns what a principal has chosen for chats that say nothing else. The scripted model is
    /// chosen only for as long as it is offered.
    pub async fn default_model(&self, by: &PrincipalName) -> Result<Option<ModelDefault>, Error> {
        let default = self.shared.store.model_default(by).await;
        let default = default.map_err(Error::of_store)?;
        if default
            .as_ref()
            .is_none_or(|it| !discovery::is_demo(it.provider))
        {
            return Ok(default);
        }
        let rows = rows_of(&self.shared, by).await?;
        Ok(default.filter(|it| rows.iter().any(|row| row.id == it.provider)))
    }

    /// Returns the provider and the model that a chat asks which says nothing else; `None` where
    /// there is no model. Nobody is asked who has answered a short time ago.
    pub async fn first_choice(&self, by: &PrincipalName) -> Result<Option<ModelDefault>, Error> {
        if let Some(chosen) = self.default_model(by).await? {
            return Ok(Some(chosen));
        }
        match self.model_for(None, None, by).await {
            Ok(it) => Ok(Some(ModelDefault {
                provider: it.provider,
                model: it.name,
            })),
            Err(Error::Model(_)) => Ok(None),
            Err(err) => Err(err),
        }
    }

    /// Chooses a model for chats that say nothing else; `None` leaves it to the program.
    pub async fn set_default_model(
        &self,
        default: Option<ModelDefault>,
        by: &domain::Caller,
    ) -> Result<(), Error> {
        let shared = &self.shared;
        if let Some(default) = &default {
            usable(shared, default.provider, &by.principal).await?;
            if default.model.trim().is_empty() {
                return Err(Error::invalid("a model must have a name"));
            }
        }
        let audit = AuditEvent {
            detail: Some(match &default {
                Some(it) => serde_json::json!({ "provider": it.provider, "model": it.model }),
                None => serde_json::Value::Null,
            }),
            ..self.event("model.default", by)
        };
        let set = shared
            .store
            .set_model_default(&by.principal, default.as_ref(), &audit);
        set.await.map_err(Error::of_store)?;
        let changed = Event::ProvidersChanged;
        shared.events.publish_to(&by.principal, changed);
        Ok(())
    }

    async fn ask(&self, row: StoredProvider, age: Age) -> ProviderModels {
        let models = self.listed(&row, age).await;
        ProviderModels {
            provider: details(&self.shared, row),
            models,
        }
    }

    async fn model_somewhere(
        &self,
        model: &str,
        default: Option<ModelDefault>,
        by: &PrincipalName,
    ) -> Result<ChosenModel, Error> {
        let mut all = self.all_models(false, by).await?;
        // What is at several places is asked where the default is.
        let preferred = default.map(|it| it.provider);
        all.sort_by_key(|it| Some(it.provider.id) != preferred);
        let has_it = |it: &&ProviderModels| {
            let models = it.models.as_ref();
            models.is_ok_and(|it| it.iter().any(|it| it.name == model))
        };
        let Some(found) = all.iter().find(has_it) else {
            return Err(Error::Model(ModelError::new(
                ModelErrorKind::ModelMissing,
                format!("no provider has the model `{model}`"),
                "choose another model, or name its provider, too",
            )));
        };
        let row = usable(&self.shared, found.provider.id, by).await?;
        self.chosen(&row, model).await
    }

    async fn first_of_all(&self, by: &PrincipalName) -> Result<ChosenModel, Error> {
        discovery::look_if_due(&self.shared).await?;
        let mut rows = rows_of(&self.shared, by).await?;
        rows.retain(|it| it.enabled);
        let mut first_error = None;
        for row in &rows {
            let name = match &row.default_model {
                Some(name) => Ok(name.clone()),
                None => self.first_model(row).await,
            };
            match name {
                Ok(name) => return self.chosen(row, &name).await,
                Err(err) => first_error = first_error.or(Some(err)),
            }
        }
        Err(Error::Model(first_error.unwrap_or_else(no_model)))
    }

    /// Returns the name of the model that a provider's chats begin with.
    async fn first_model(&self, row: &StoredProvider) -> Result<String, ModelError> {
        let models = self.listed(row, Age::Short).await?;
        let first = choose(&models).map(|it| it.name.clone());
        first.ok_or_else(|| {
            ModelError::new(
                ModelErrorKind::ModelMissing,
                format!("`{}` answers, and has no models", row.name),
                "download one there",
            )
        })
    }

    async fn chosen(&self, row: &StoredProvider, name: &str) -> Result<ChosenModel, Error> {
        let client = client(&self.shared, row).await.map_err(Error::Model)?;
        // Who cannot be asked for a list is asked for an answer, and says what is wrong.
        let listed = self.listed(row, Age::Any).await.ok();
        let info = listed.and_then(|it| it.iter().find(|it| it.name == name).cloned());
        Ok(ChosenModel {
            provider: row.id,
            provider_name: row.name.clone(),
            name: name.to_owned(),
            demo: discovery::is_demo(row.id),
            model: Arc::new(client.model(name)),
            info,
        })
    }

    /// Returns a provider's models. However many want them, it is asked once.
    async fn listed(&self, row: &StoredProvider, age: Age) -> Listed {
        let shared = &self.shared;
        let since = match age {
            Age::Now => None,
            Age::Any => Some(Timestamp { unix_ms: 0 }),
            Age::Short => Some(shared.earlier(shared.settings.models_keep)),
        };
        let slot = shared.listings.slot(row.id);
        let kept = || since.and_then(|it| slot.kept(row, it));
        if let Some(listed) = kept() {
            return listed;
        }
        let _asking = slot.asking.lock().await;
        // Somebody else may have asked meanwhile.
        if let Some(listed) = kept() {
            return listed;
        }
        let listed: Listed = match client(shared, row).await {
            Ok(client) => client.list_models().await.map(Into::into),
            Err(err) => Err(err),
        };
        self.keep(row, listed.clone());
        listed
    }

    fn keep(&self, row: &StoredProvider, listed: Listed) {
        let shared = &self.shared;
        let is_news = row.found && shared.listings.set_present(row.id, listed.is_ok());
        let slot = shared.listings.slot(row.id);
        slot.keep(row, shared.now(), listed);
        if is_news {
            shared.events.publish(Event::ProvidersChanged);
        }
    }
}

/// Returns a provider that this principal sees.
pub(super) async fn visible(
    shared: &Shared,
    id: ProviderId,
    by: &PrincipalName,
) -> Result<StoredProvider, Error> {
    let row = shared.store.provider(id).await.map_err(Error::of_store)?;
    // Somebody else's is told from one that is not there by nobody.
    let row = row.filter(|it| it.principal.as_ref().is_none_or(|it| it == by));
    row.ok_or_else(|| Error::not_found(format!("provider `{id}`")))
}

/// As [`visible`], if it is switched on.
async fn usable(
    shared: &Shared,
    id: ProviderId,
    by: &PrincipalName,
) -> Result<StoredProvider, Error> {
    let row = visible(shared, id, by).await?;
    if !row.enabled {
        return Err(Error::Model(ModelError::new(
            ModelErrorKind::ModelMissing,
            format!("the provider `{}` is switched off", row.name),
            "switch it on in the settings of the provider, or choose another model",
        )));
    }
    Ok(row)
}

fn no_model() -> ModelError {
    ModelError::new(
        ModelErrorKind::ModelMissing,
        "there is no model yet",
        "start Ollama or LM Studio on this machine, or add a provider in the settings \
         (`archestra providers add`)",
    )
}

/// Makes the one that asks a provider, with its key.
pub(super) async fn client(
    shared: &Shared,
    row: &StoredProvider,
) -> Result<ModelClient, ModelError> {
    let kind = kind_of(row.kind);
    let base_url = agent::base_url(kind, &row.base_url).map_err(|err| {
        let fix = "correct the address in the settings of the provider";
        ModelError::new(ModelErrorKind::Unreachable, err.to_string(), fix)
    })?;
    let key = match row.key {
        Some(id) => Some(unseal(shared, row, id).await?),
        None => None,
    };
    let provider = Provider {
        name: row.name.clone(),
        kind,
        base_url,
        key,
        context_tokens_max: None,
    };
    let http = shared.http_client(Reach::of(&provider.base_url));
    Ok(ModelClient::new(http, provider, shared.settings.models))
}

async fn unseal(
    shared: &Shared,
    row: &StoredProvider,
    id: SecretId,
) -> Result<domain::Secret<String>, ModelError> {
    let cannot = |why: String| {
        let mut error = ModelError::new(
            ModelErrorKind::Key,
            format!("the key of `{}` cannot be opened", row.name),
            "give the key again in the settings of the provider",
        );
        error.details = Some(why);
        error
    };
    let stored = shared.store.secret(id).await;
    let stored = stored.map_err(|err| cannot(error_chain(&err)))?;
    let stored = stored.ok_or_else(|| cannot("it is not in the vault".to_owned()))?;
    let key = shared
        .vault
        .unseal(&super::key_binding(row.id, id), &stored.sealed);
    key.map_err(|err| cannot(error_chain(&err)))
}

/// Forgets what was said by providers that are no more.
pub(super) async fn sweep(shared: &Shared) -> Result<(), Error> {
    let rows = shared.store.providers(None).await;
    let rows = rows.map_err(Error::of_store)?;
    let ids: BTreeSet<ProviderId> = rows.iter().map(|it| it.id).collect();
    shared.listings.keep_only(&ids);
    Ok(())
}

impl std::fmt::Debug for ChosenModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChosenModel")
            .field("provider", &self.provider)
            .field("provider_name", &self.provider_name)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
