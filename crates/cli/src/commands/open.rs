use std::process::ExitCode;

use crate::{
    api::Api, commands::text, config::Inputs, output, serve::open_browser, target::Finder,
};

/// Makes a link to the UI and opens it.
pub(crate) async fn run(
    finder: &Finder,
    inputs: &Inputs,
    print: bool,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let made = Api::find(finder)?.post("/login-links", None).await?;
    let url = text(&made, "url");
    if as_json {
        output::json(&made);
    } else if print || !open_browser(inputs, url) {
        output::line(url);
        output::note("good once, within a minute");
    } else {
        output::line("opened in your browser");
    }
    Ok(ExitCode::SUCCESS)
}
