//! The image that servers run in, made while the program runs.
//!
//! The recipe is the sandbox's; here is who asked for it and how far it is. One is made at a time,
//! and goes on when nobody looks. What was made is found again by the next start.

use std::sync::{Arc, Mutex, PoisonError};

use domain::{Caller, Timestamp};
use sandbox::image::{ImageProgress, build_base_image};

use crate::{Error, Orchestrator, Shared, error_chain, sandbox_error};

/// The image, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageDetails {
    /// For instance `localhost/archestra-base:78c31a6b2863be37`.
    pub reference: String,
    pub state: ImageState,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageState {
    Ready,
    /// It is not there.
    Missing {
        /// Whether this program makes it. One that the settings name comes from elsewhere.
        can_be_made: bool,
    },
    Making {
        began_at: Timestamp,
        /// What the recipe is at, in a few words; empty before its first step.
        step: String,
        /// The last line that a tool wrote, as it wrote it.
        line: String,
    },
    Failed {
        reason: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

/// What is known of the making; `None` while nobody has asked for it.
#[derive(Debug, Default)]
pub(crate) struct Making(Mutex<Option<ImageState>>);

impl Making {
    fn get(&self) -> Option<ImageState> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.clone()
    }

    fn set(&self, state: Option<ImageState>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// Begins, unless it is under way.
    fn begin(&self, began_at: Timestamp) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, Some(ImageState::Making { .. })) {
            return false;
        }
        *state = Some(ImageState::Making {
            began_at,
            step: String::new(),
            line: String::new(),
        });
        true
    }

    fn is_at(&self, progress: ImageProgress<'_>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(ImageState::Making { step, line, .. }) = &mut *state else {
            return;
        };
        match progress {
            ImageProgress::Step(text) => text.clone_into(step),
            ImageProgress::Line(text) => text.clone_into(line),
        }
    }
}

impl Orchestrator {
    /// Returns whether the image is there, and how far it is if it is being made.
    pub async fn image(&self) -> Result<ImageDetails, Error> {
        let shared = &self.shared;
        let reference = shared.settings.image.clone();
        let state = match shared.making_image.get() {
            Some(making @ ImageState::Making { .. }) => making,
            told => {
                let there = shared.sandbox.image_exists(&reference).await;
                let there = there.map_err(|err| Error::Unavailable {
                    reason: sandbox_error(&err),
                })?;
                match (there, told) {
                    (true, _) => ImageState::Ready,
                    (false, Some(failed @ ImageState::Failed { .. })) => failed,
                    (false, _) => ImageState::Missing {
                        can_be_made: shared.settings.image_recipe.is_some(),
                    },
                }
            }
        };
        Ok(ImageDetails { reference, state })
    }

    /// Begins to make the image, unless it is there or under way, and returns how far it is.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where the settings name an image, which this program cannot make.
    pub async fn make_image(&self, by: &Caller) -> Result<ImageDetails, Error> {
        let shared = &self.shared;
        let before = self.image().await?;
        if before.state == ImageState::Ready {
            return Ok(before);
        }
        if shared.settings.image_recipe.is_none() {
            return Err(Error::invalid_with(
                format!("image `{}` is not made here", before.reference),
                "pull it with Podman, or leave `sandbox.image` out of the settings",
            ));
        }
        if shared.making_image.begin(shared.now()) {
            let audit = store::AuditEvent {
                detail: Some(serde_json::json!({ "image": before.reference })),
                ..self.event("image.build", by)
            };
            if let Err(err) = shared.audit.write_now(audit).await {
                shared.making_image.set(None);
                return Err(Error::of_store(err));
            }
            shared.tasks.spawn(make(shared.clone()));
        }
        self.image().await
    }
}

async fn make(shared: Arc<Shared>) {
    let made = tokio::select! {
        made = make_and_import(&shared) => made,
        // What was begun is removed by the next one.
        () = shared.shutdown.cancelled() => return,
    };
    let state = match made {
        Ok(()) => {
            tracing::info!(image = shared.settings.image, "Image made");
            None
        }
        Err((reason, hint)) => {
            tracing::warn!(image = shared.settings.image, reason, "Image not made");
            Some(ImageState::Failed { reason, hint })
        }
    };
    shared.making_image.set(state);
}

async fn make_and_import(shared: &Shared) -> Result<(), (String, Option<String>)> {
    let Some(recipe) = &shared.settings.image_recipe else {
        return Ok(());
    };
    let progress = |progress: ImageProgress<'_>| shared.making_image.is_at(progress);
    let tar = build_base_image(recipe, &progress).await;
    let tar = tar.map_err(|err| (error_chain(&err), err.hint()))?;
    shared
        .making_image
        .is_at(ImageProgress::Step("Give it to Podman"));
    let imported = shared.sandbox.import_image(&tar, &shared.settings.image);
    let imported = imported.await;
    imported.map_err(|err| (error_chain(&err), err.hint()))
}
