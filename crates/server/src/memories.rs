//! `/api/v1/memories`: what all chats of a person are told.

use axum::{Extension, Json, extract::State, http::StatusCode};
use domain::Caller;
use orchestrator::Memory;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiError, App,
    extract::{ApiPath, JsonBody},
};

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_memories))
        .routes(routes!(set_memory, delete_memory))
}

/// All memories, in the order of their names.
#[derive(Serialize, ToSchema)]
struct MemoryListBody {
    memories: Vec<MemoryBody>,
}

#[derive(Serialize, ToSchema)]
struct MemoryBody {
    name: String,
    value: String,
    created_at_ms: u64,
    updated_at_ms: u64,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetMemoryBody {
    value: String,
}

/// List memories
#[utoipa::path(
    get, path = "/api/v1/memories", operation_id = "list_memories", tag = "memories",
    responses((status = 200, body = MemoryListBody), (status = "default", body = ApiError)),
)]
async fn list_memories(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
) -> Result<Json<MemoryListBody>, ApiError> {
    let memories = app.orchestrator.memories(&by.principal).await?;
    Ok(Json(MemoryListBody {
        memories: memories.into_iter().map(MemoryBody::from).collect(),
    }))
}

/// Set a memory
#[utoipa::path(
    put, path = "/api/v1/memories/{name}", operation_id = "set_memory", tag = "memories",
    params(("name" = String, Path, description = "Its name")),
    request_body = SetMemoryBody,
    responses((status = 200, body = MemoryBody), (status = "default", body = ApiError)),
)]
async fn set_memory(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath(name): ApiPath<String>,
    JsonBody(body): JsonBody<SetMemoryBody>,
) -> Result<Json<MemoryBody>, ApiError> {
    let (memory, _) = app.orchestrator.set_memory(&name, &body.value, &by).await?;
    Ok(Json(memory.into()))
}

/// Delete a memory
#[utoipa::path(
    delete, path = "/api/v1/memories/{name}", operation_id = "delete_memory", tag = "memories",
    params(("name" = String, Path, description = "Its name")),
    responses((status = 204), (status = "default", body = ApiError)),
)]
async fn delete_memory(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath(name): ApiPath<String>,
) -> Result<StatusCode, ApiError> {
    app.orchestrator.delete_memory(&name, &by).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<Memory> for MemoryBody {
    fn from(memory: Memory) -> Self {
        Self {
            name: memory.name,
            value: memory.value,
            created_at_ms: memory.created_at.unix_ms,
            updated_at_ms: memory.updated_at.unix_ms,
        }
    }
}
