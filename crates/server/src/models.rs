//! `/api/v1/models`: what can answer, at all providers, and which of it a chat begins with.

use axum::{Extension, Json, extract::State, http::StatusCode};
use domain::Caller;
use orchestrator::ModelDefault;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiError, App,
    extract::{ApiQuery, JsonBody},
    model_bodies::{ModelBody, ModelErrorBody, ModelRefBody},
};

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_models))
        .routes(routes!(set_default_model, remove_default_model))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ModelsQuery {
    /// Asks all providers now, and looks for model servers on this machine; without it, what they
    /// said a short time ago holds.
    #[serde(default)]
    refresh: bool,
}

/// The models of all providers that are switched on.
#[derive(Serialize, ToSchema)]
struct ModelListBody {
    models: Vec<ModelBody>,
    /// What a chat begins with that says nothing else: what was chosen, else what the program takes.
    default: Option<ModelRefBody>,
    /// Whether somebody has chosen the default.
    default_chosen: bool,
    /// Providers that have not said what they have.
    failed: Vec<ProviderFailureBody>,
}

/// A provider that has not said what it has.
#[derive(Serialize, ToSchema)]
struct ProviderFailureBody {
    /// Its identifier.
    provider: String,
    name: String,
    error: ModelErrorBody,
}

/// List the models of all providers
#[utoipa::path(
    get, path = "/api/v1/models", operation_id = "list_models", tag = "models",
    params(ModelsQuery),
    responses((status = 200, body = ModelListBody), (status = "default", body = ApiError)),
)]
async fn list_models(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiQuery(query): ApiQuery<ModelsQuery>,
) -> Result<Json<ModelListBody>, ApiError> {
    let orchestrator = &app.orchestrator;
    let all = orchestrator
        .all_models(query.refresh, &by.principal)
        .await?;
    let chosen = orchestrator.default_model(&by.principal).await?;
    let default = orchestrator.first_choice(&by.principal).await?;
    let (mut models, mut failed) = (Vec::new(), Vec::new());
    for it in all {
        match it.models {
            Ok(of_it) => {
                let bodies = of_it
                    .iter()
                    .map(|model| ModelBody::new(&it.provider, model));
                models.extend(bodies);
            }
            Err(error) => failed.push(ProviderFailureBody {
                provider: it.provider.id.to_string(),
                name: it.provider.name,
                error: error.into(),
            }),
        }
    }
    Ok(Json(ModelListBody {
        models,
        default_chosen: chosen.is_some(),
        default: default.map(|it| ModelRefBody {
            provider: it.provider,
            model: it.model,
        }),
        failed,
    }))
}

/// Choose what a chat begins with that says nothing else
#[utoipa::path(
    put, path = "/api/v1/models/default", operation_id = "set_default_model", tag = "models",
    request_body = ModelRefBody,
    responses((status = 204), (status = "default", body = ApiError)),
)]
async fn set_default_model(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    JsonBody(body): JsonBody<ModelRefBody>,
) -> Result<StatusCode, ApiError> {
    let default = ModelDefault {
        provider: body.provider,
        model: body.model,
    };
    let orchestrator = &app.orchestrator;
    orchestrator.set_default_model(Some(default), &by).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Leave it to the program what a chat begins with
#[utoipa::path(
    delete, path = "/api/v1/models/default", operation_id = "remove_default_model", tag = "models",
    responses((status = 204), (status = "default", body = ApiError)),
)]
async fn remove_default_model(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
) -> Result<StatusCode, ApiError> {
    app.orchestrator.set_default_model(None, &by).await?;
    Ok(StatusCode::NO_CONTENT)
}
