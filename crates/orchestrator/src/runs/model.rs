//! Which model a run asks.

use std::sync::Arc;

use agent::{Model, ModelError, ModelErrorKind, RunState};
use domain::{PrincipalName, ProviderId};
use store::{StoredChat, StoredRun};

use crate::{Error, Orchestrator, Shared};

/// What a run is to ask, as far as its chat says it. The rest is looked for when the run has begun,
/// since a message is kept before anybody is asked anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) provider: Option<ProviderId>,
    /// Empty where the chat names none.
    pub(crate) model: String,
}

/// A model that can be asked.
pub(crate) struct Chosen {
    pub(crate) model: Arc<dyn Model>,
    /// How much it can read, where that is known.
    pub(crate) context_tokens: Option<u64>,
}

impl Named {
    pub(crate) fn of(chat: &StoredChat) -> Self {
        Self {
            provider: chat.provider,
            model: chat.model.clone().unwrap_or_default(),
        }
    }
}

/// Finds the model of a run. What was asked in it before is asked again.
///
/// Cancel safe.
pub(crate) async fn chosen(
    shared: &Arc<Shared>,
    run: &StoredRun,
    state: &RunState,
    principal: &PrincipalName,
) -> Result<Result<Chosen, ModelError>, Error> {
    let this = Orchestrator {
        shared: shared.clone(),
    };
    let name = match run.model.as_str() {
        "" => &state.model,
        name => name,
    };
    let name = (!name.is_empty()).then_some(name);
    match this.model_for(run.provider, name, principal).await {
        Ok(chosen) => Ok(Ok(Chosen {
            model: chosen.model,
            context_tokens: chosen.info.and_then(|it| it.context_tokens),
        })),
        Err(Error::Model(error)) => Ok(Err(error)),
        Err(Error::NotFound { .. }) => Ok(Err(ModelError::new(
            ModelErrorKind::ModelMissing,
            "the provider of this model is gone",
            "choose another model, or add the provider again in the settings",
        ))),
        Err(err) => Err(err),
    }
}
