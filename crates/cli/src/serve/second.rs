//! A second `serve` on one data directory: it points to the first.

use std::{path::Path, time::Duration};

use anyhow::bail;
use tokio::time::{Instant, sleep};

use crate::{
    access_file::AccessFile,
    api::Api,
    config::{Config, Inputs},
    output,
    serve::browser,
    target::Target,
};

/// How long the first one may take to answer, if it has just begun.
const FIRST_TIMEOUT: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Tells where the first one answers, and opens its page as the first would have.
pub(super) async fn point_to_first(
    data_dir: &Path,
    config: &Config,
    inputs: &Inputs,
    as_json: bool,
) -> anyhow::Result<()> {
    let (access, link) = first(data_dir).await?;
    let url = format!("http://{}", access.address);
    if as_json {
        output::json(&serde_json::json!({
            "already_running": true,
            "addresses": access.addresses.iter().map(|it| format!("http://{it}")).collect::<Vec<_>>(),
            "pid": access.pid,
            "login_url": link,
        }));
        return Ok(());
    }
    output::line(format!(
        "Archestra already answers at {url} (process {})",
        access.pid
    ));
    output::line(format!("Open {link}\n(good once, within a minute)"));
    if config.open_browser {
        browser::open_from_terminal(inputs, &link);
    }
    Ok(())
}

async fn first(data_dir: &Path) -> anyhow::Result<(AccessFile, String)> {
    let deadline = Instant::now() + FIRST_TIMEOUT;
    loop {
        let why = match AccessFile::read(data_dir) {
            Err(err) => err,
            Ok(None) => anyhow::anyhow!("it does not answer yet"),
            Ok(Some(access)) => match link(&access).await {
                Ok(link) => return Ok((access, link)),
                Err(err) => err,
            },
        };
        if deadline < Instant::now() {
            let holder = store::DataDir::holder(data_dir);
            bail!("`{}` is in use by {holder}: {why:#}", data_dir.display());
        }
        sleep(LOOK_AGAIN).await;
    }
}

async fn link(access: &AccessFile) -> anyhow::Result<String> {
    let target = Target::of_url(&format!("http://{}", access.address), access.token.clone())?;
    let made = Api::new(target).post("/login-links", None).await?;
    Ok(made["url"].as_str().unwrap_or_default().to_owned())
}
