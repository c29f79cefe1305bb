//! `/api/v1/providers`: where models are asked, and with which keys.

use axum::{Extension, Json, extract::State, http::StatusCode};
use domain::{Caller, ProviderId};
use orchestrator::{AddProvider, ProviderChange, ProviderDetails, ProviderHealth, ProviderKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiError, App,
    extract::{ApiPath, JsonBody, id_of, null_or, secret_of},
    model_bodies::ModelErrorBody,
};

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_providers, add_provider))
        .routes(routes!(discover_providers))
        .routes(routes!(get_provider, change_provider, remove_provider))
        .routes(routes!(set_provider_key, remove_provider_key))
        .routes(routes!(test_provider))
}

/// Those that were added, and those that were found and answer.
#[derive(Serialize, ToSchema)]
struct ProviderListBody {
    providers: Vec<ProviderBody>,
}

/// Where models are asked.
#[derive(Serialize, ToSchema)]
struct ProviderBody {
    id: String,
    kind: ProviderKindBody,
    name: String,
    base_url: String,
    /// A key is kept for it.
    has_key: bool,
    /// The model of it that is asked where nobody has said which.
    default_model: Option<String>,
    enabled: bool,
    /// The program has found it by itself.
    found: bool,
    /// It only plays a model.
    demo: bool,
    /// On this machine: nothing of a chat leaves it.
    local: bool,
    state: ProviderStateBody,
    /// Why it failed.
    error: Option<ModelErrorBody>,
    /// How many it has, as far as is known.
    models: usize,
    /// What a person should know about it, in words.
    warnings: Vec<String>,
    created_at_ms: u64,
    updated_at_ms: u64,
}

/// How it was when it was asked last.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ProviderStateBody {
    /// Nobody has asked since it was changed or the program was started.
    Unknown,
    Ok,
    Failed,
}

/// The language that a provider speaks.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ProviderKindBody {
    /// Chat completions: OpenAI, and everything that is compatible with it.
    #[serde(rename = "openai")]
    OpenAi,
    /// Ollama's own.
    Ollama,
}

/// A provider to add. It may be on this machine or in its network: who may add one may reach that
/// anyway.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewProviderBody {
    kind: ProviderKindBody,
    /// One is made from the address where it is left out.
    name: Option<String>,
    /// As people paste it, for instance `localhost:1234` or `https://api.openai.com/v1`.
    base_url: String,
    /// It is sealed, and in no answer.
    #[serde(default)]
    #[schema(value_type = Option<String>, write_only)]
    key: Value,
    default_model: Option<String>,
}

/// What is to be different; what is left out stays. Where it is asked at another host, its key is
/// given again, or removed with null.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProviderChangeBody {
    name: Option<String>,
    base_url: Option<String>,
    /// It is sealed, and in no answer; null removes it.
    #[serde(default, deserialize_with = "null_or")]
    #[schema(value_type = Option<String>, write_only)]
    key: Option<Option<Value>>,
    /// Null leaves it to the program.
    #[serde(default, deserialize_with = "null_or")]
    #[schema(value_type = Option<String>)]
    default_model: Option<Option<String>>,
    enabled: Option<bool>,
}

/// A provider's key. It is sealed, and in no answer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProviderKeyBody {
    #[schema(value_type = String, write_only)]
    key: Value,
}

/// List the providers of models
///
/// Nobody is asked anything: `state` is how each was when it was asked last.
#[utoipa::path(
    get, path = "/api/v1/providers", operation_id = "list_providers", tag = "models",
    responses((status = 200, body = ProviderListBody), (status = "default", body = ApiError)),
)]
async fn list_providers(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
) -> Result<Json<ProviderListBody>, ApiError> {
    let providers = app.orchestrator.providers(&by.principal).await?;
    Ok(Json(providers.into()))
}

/// Add a provider of models
#[utoipa::path(
    post, path = "/api/v1/providers", operation_id = "add_provider", tag = "models",
    request_body = NewProviderBody,
    responses((status = 201, body = ProviderBody), (status = "default", body = ApiError)),
)]
async fn add_provider(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    JsonBody(body): JsonBody<NewProviderBody>,
) -> Result<(StatusCode, Json<ProviderBody>), ApiError> {
    let add = AddProvider {
        kind: body.kind.into(),
        name: body.name,
        base_url: body.base_url,
        key: secret_of("key", body.key)?,
        default_model: body.default_model,
    };
    let added = app.orchestrator.add_provider(add, &by).await?;
    Ok((StatusCode::CREATED, Json(added.into())))
}

/// Look for model servers on this machine, now
#[utoipa::path(
    post, path = "/api/v1/providers/discover", operation_id = "discover_providers", tag = "models",
    responses((status = 200, body = ProviderListBody), (status = "default", body = ApiError)),
)]
async fn discover_providers(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
) -> Result<Json<ProviderListBody>, ApiError> {
    let providers = app.orchestrator.discover_providers(&by.principal).await?;
    Ok(Json(providers.into()))
}

/// Get a provider of models
#[utoipa::path(
    get, path = "/api/v1/providers/{provider}", operation_id = "get_provider", tag = "models",
    params(("provider" = String, Path, description = "Its identifier")),
    responses((status = 200, body = ProviderBody), (status = "default", body = ApiError)),
)]
async fn get_provider(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath(provider): ApiPath<String>,
) -> Result<Json<ProviderBody>, ApiError> {
    let id = provider_id(&provider)?;
    let details = app.orchestrator.provider(id, &by.principal).await?;
    Ok(Json(details.into()))
}

/// Change a provider of models
#[utoipa::path(
    patch, path = "/api/v1/providers/{provider}", operation_id = "change_provider", tag = "models",
    params(("provider" = String, Path, description = "Its identifier")),
    request_body = ProviderChangeBody,
    responses((status = 200, body = ProviderBody), (status = "default", body = ApiError)),
)]
async fn change_provider(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath(provider): ApiPath<String>,
    JsonBody(body): JsonBody<ProviderChangeBody>,
) -> Result<Json<ProviderBody>, ApiError> {
    let id = provider_id(&provider)?;
    let key = body.key.map(Option::unwrap_or_default);
    let change = ProviderChange {
        name: body.name,
        base_url: body.base_url,
        key: key.map(|it| secret_of("key", it)).transpose()?,
        default_model: body.default_model,
        enabled: body.enabled,
    };
    let changed = app.orchestrator.change_provider(id, change, &by).await?;
    Ok(Json(changed.into()))
}

/// Remove a provider of models, with its key
///
/// One that was found on this machine would be found again; it is switched off instead.
#[utoipa::path(
    delete, path = "/api/v1/providers/{provider}", operation_id = "remove_provider", tag = "models",
    params(("provider" = String, Path, description = "Its identifier")),
    responses((status = 204), (status = "default", body = ApiError)),
)]
async fn remove_provider(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath(provider): ApiPath<String>,
) -> Result<StatusCode, ApiError> {
    let id = provider_id(&provider)?;
    app.orchestrator.remove_provider(id, &by).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give a provider another key
#[utoipa::path(
    put, path = "/api/v1/providers/{provider}/key", operation_id = "set_provider_key",
    tag = "models",
    params(("provider" = String, Path, description = "Its identifier")),
    request_body = ProviderKeyBody,
    responses((status = 204), (status = "default", body = ApiError)),
)]
async fn set_provider_key(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath(provider): ApiPath<String>,
    JsonBody(body): JsonBody<ProviderKeyBody>,
) -> Result<StatusCode, ApiError> {
    let id = provider_id(&provider)?;
    let Some(key) = secret_of("key", body.key)? else {
        return Err(ApiError::invalid("`key` must be a text"));
    };
    let change = ProviderChange {
        key: Some(Some(key)),
        ..ProviderChange::default()
    };
    app.orchestrator.change_provider(id, change, &by).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Forget a provider's key
#[utoipa::path(
    delete, path = "/api/v1/providers/{provider}/key", operation_id = "remove_provider_key",
    tag = "models",
    params(("provider" = String, Path, description = "Its identifier")),
    responses((status = 204), (status = "default", body = ApiError)),
)]
async fn remove_provider_key(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath(provider): ApiPath<String>,
) -> Result<StatusCode, ApiError> {
    let id = provider_id(&provider)?;
    let change = ProviderChange {
        key: Some(None),
        ..ProviderChange::default()
    };
    app.orchestrator.change_provider(id, change, &by).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Try a provider's address and key
///
/// What comes of it is in `state` and `error`.
#[utoipa::path(
    post, path = "/api/v1/providers/{provider}/test", operation_id = "test_provider",
    tag = "models",
    params(("provider" = String, Path, description = "Its identifier")),
    responses((status = 200, body = ProviderBody), (status = "default", body = ApiError)),
)]
async fn test_provider(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath(provider): ApiPath<String>,
) -> Result<Json<ProviderBody>, ApiError> {
    let id = provider_id(&provider)?;
    let tested = app.orchestrator.test_provider(id, &by.principal).await?;
    let mut details = app.orchestrator.provider(id, &by.principal).await?;
    details.health = match tested {
        Ok(report) => ProviderHealth::Answers {
            models: report.models.len(),
        },
        Err(error) => ProviderHealth::Failed(error),
    };
    Ok(Json(details.into()))
}

fn provider_id(text: &str) -> Result<ProviderId, ApiError> {
    id_of("provider", text)
}

impl From<Vec<ProviderDetails>> for ProviderListBody {
    fn from(providers: Vec<ProviderDetails>) -> Self {
        Self {
            providers: providers.into_iter().map(ProviderBody::from).collect(),
        }
    }
}

impl From<ProviderDetails> for ProviderBody {
    fn from(it: ProviderDetails) -> Self {
        let (state, models, error) = match it.health {
            ProviderHealth::Unknown => (ProviderStateBody::Unknown, 0, None),
            ProviderHealth::Answers { models } => (ProviderStateBody::Ok, models, None),
            ProviderHealth::Failed(error) => (ProviderStateBody::Failed, 0, Some(error.into())),
        };
        Self {
            id: it.id.to_string(),
            kind: it.kind.into(),
            name: it.name,
            base_url: it.base_url,
            has_key: it.has_key,
            default_model: it.default_model,
            enabled: it.enabled,
            found: it.found,
            demo: it.demo,
            local: it.local,
            state,
            error,
            models,
            warnings: it.warnings,
            created_at_ms: it.created_at.unix_ms,
            updated_at_ms: it.updated_at.unix_ms,
        }
    }
}

impl From<ProviderKindBody> for ProviderKind {
    fn from(body: ProviderKindBody) -> Self {
        match body {
            ProviderKindBody::OpenAi => Self::OpenAi,
            ProviderKindBody::Ollama => Self::Ollama,
        }
    }
}

impl From<ProviderKind> for ProviderKindBody {
    fn from(kind: ProviderKind) -> Self {
        match kind {
            ProviderKind::OpenAi => Self::OpenAi,
            ProviderKind::Ollama => Self::Ollama,
        }
    }
}
