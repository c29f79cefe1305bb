//! The image that servers run in.

use axum::{Extension, Json, extract::State, http::StatusCode};
use domain::Caller;
use orchestrator::{ImageDetails, ImageState};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{ApiError, App};

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(get_image))
        .routes(routes!(build_image))
}

/// The image that servers run in, and how far it is.
#[derive(Serialize, ToSchema)]
struct ImageBody {
    reference: String,
    state: ImageStateBody,
    /// Whether this program makes it; one that the settings name comes from elsewhere.
    can_be_made: bool,
    /// Since when it is being made, in milliseconds since 1970.
    began_at: Option<u64>,
    /// What is being done, in a few words.
    step: Option<String>,
    /// The last line of a tool, as the tool wrote it.
    line: Option<String>,
    /// Why it could not be made.
    reason: Option<String>,
    /// What to do about that.
    fix: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ImageStateBody {
    Ready,
    Missing,
    Making,
    Failed,
}

/// Get the image that servers run in, and how far it is
#[utoipa::path(
    get, path = "/api/v1/image", operation_id = "get_image", tag = "system",
    responses((status = 200, body = ImageBody), (status = "default", body = ApiError)),
)]
async fn get_image(State(app): State<App>) -> Result<Json<ImageBody>, ApiError> {
    Ok(Json(app.orchestrator.image().await?.into()))
}

/// Make the image that servers run in
///
/// It is made while the program goes on; ask for it to hear how far it is. Fine when it is there or
/// under way.
#[utoipa::path(
    post, path = "/api/v1/image", operation_id = "build_image", tag = "system",
    responses((status = 202, body = ImageBody), (status = "default", body = ApiError)),
)]
async fn build_image(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
) -> Result<(StatusCode, Json<ImageBody>), ApiError> {
    let image = app.orchestrator.make_image(&by).await?;
    Ok((StatusCode::ACCEPTED, Json(image.into())))
}

impl From<ImageDetails> for ImageBody {
    fn from(image: ImageDetails) -> Self {
        let mut body = Self {
            reference: image.reference,
            state: ImageStateBody::Ready,
            can_be_made: true,
            began_at: None,
            step: None,
            line: None,
            reason: None,
            fix: None,
        };
        match image.state {
            ImageState::Ready => {}
            ImageState::Missing { can_be_made } => {
                body.state = ImageStateBody::Missing;
                body.can_be_made = can_be_made;
            }
            ImageState::Making {
                began_at,
                step,
                line,
            } => {
                body.state = ImageStateBody::Making;
                body.began_at = Some(began_at.unix_ms);
                body.step = Some(step).filter(|it| !it.is_empty());
                body.line = Some(line).filter(|it| !it.is_empty());
            }
            ImageState::Failed { reason, hint } => {
                body.state = ImageStateBody::Failed;
                body.reason = Some(reason);
                body.fix = hint;
            }
        }
        body
    }
}
