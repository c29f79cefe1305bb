use std::{
    process::ExitCode,
    sync::Mutex,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use sandbox::{
    Sandbox as _,
    image::{ImageProgress, base_image_reference, base_image_tar, build_base_image},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::{Config, Inputs},
    output,
    serve::{image_recipe, without_server},
};

/// Lines of the recipe's tools are shown at most so often; they are many.
const LINE_PERIOD: Duration = Duration::from_secs(2);

/// Makes the base image and gives it to Podman, as far as that was not done before.
pub(crate) async fn build(
    config: &Config,
    inputs: &Inputs,
    force: bool,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let reference = base_image_reference();
    let run_dir = tempfile::Builder::new().prefix("archestra-").tempdir()?;
    let tasks = TaskTracker::new();
    let shutdown = CancellationToken::new();
    let podman = without_server(config, inputs, run_dir.path(), tasks.clone(), &shutdown);
    let made = async {
        let known = match force {
            true => false,
            false => podman.image_exists(&reference).await.map_err(with_hint)?,
        };
        if !known {
            let tar = make(config, inputs, force).await?;
            output::note("giving the image to Podman");
            podman
                .import_image(&tar, &reference)
                .await
                .map_err(with_hint)?;
        }
        anyhow::Ok(known)
    };
    let interrupted = tokio::signal::ctrl_c();
    let known = tokio::select! {
        known = made => known,
        _ = interrupted => Err(anyhow::anyhow!("interrupted")),
    };
    shutdown.cancel();
    drop(podman);
    tasks.close();
    tasks.wait().await;
    let known = known?;
    if as_json {
        output::json(&serde_json::json!({ "image": reference, "made": !known }));
    } else if known {
        output::line(format!("`{reference}` is there already"));
    } else {
        output::line(format!("`{reference}` is made"));
    }
    Ok(ExitCode::SUCCESS)
}

async fn make(config: &Config, inputs: &Inputs, force: bool) -> anyhow::Result<std::path::PathBuf> {
    let tar = base_image_tar(&config.cache_dir);
    if force
        && let Err(err) = std::fs::remove_file(&tar)
        && err.kind() != std::io::ErrorKind::NotFound
    {
        return Err(err).with_context(|| format!("cannot remove `{}`", tar.display()));
    }
    let settings = image_recipe(config, inputs);
    let last_line = Mutex::new(None::<Instant>);
    let progress = |progress: ImageProgress<'_>| match progress {
        ImageProgress::Step(step) => output::note(format!("image: {step}")),
        ImageProgress::Line(line) => {
            let mut last = last_line
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            if last.is_none_or(|it| LINE_PERIOD <= it.elapsed()) {
                *last = Some(Instant::now());
                output::note(format!("  {}", output::harmless(line)));
            }
        }
    };
    build_base_image(&settings, &progress).await.map_err(|err| {
        let hint = err.hint();
        let err = anyhow::Error::from(err);
        match hint {
            Some(hint) => anyhow::anyhow!("{err:#}; {hint}"),
            None => err,
        }
    })
}

fn with_hint(err: sandbox::SandboxError) -> anyhow::Error {
    let hint = err.hint();
    let err = anyhow::Error::from(err);
    match hint {
        Some(hint) => anyhow::anyhow!("{err:#}; {hint}"),
        None => err,
    }
}
