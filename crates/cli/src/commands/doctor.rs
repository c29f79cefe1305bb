use std::process::ExitCode;

use sandbox::Sandbox as _;
use serde_json::{Value, json};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    access_file::AccessFile,
    api::Api,
    commands::{list, text},
    config::{Config, Inputs},
    output,
    serve::{found_model_servers, image_of, without_server},
    target::{Finder, not_running},
};

/// Looks for what is wrong, through the running program where there is one.
///
/// The exit code is 1 where something has to be mended.
pub(crate) async fn run(
    config: &Config,
    inputs: &Inputs,
    finder: &Finder,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let answers = match Api::find(finder) {
        Ok(mut api) => with_ports(&mut api).await,
        Err(err) => Err(err),
    };
    let answer = match answers {
        Ok(answer) => answer,
        Err(err) => json!({ "findings": without_program(config, inputs, &err).await? }),
    };
    let findings = list(&answer, "findings");
    if as_json {
        output::json(&answer);
    } else {
        for finding in findings {
            show(finding);
        }
    }
    let is_bad = findings.iter().any(|it| text(it, "level") == "problem");
    Ok(ExitCode::from(u8::from(is_bad)))
}

fn show(finding: &Value) {
    let mark = match text(finding, "level") {
        "ok" => "ok     ",
        "warning" => "warning",
        _ => "PROBLEM",
    };
    let message = output::harmless(text(finding, "message"));
    output::line(format!("{mark}  {}: {message}", text(finding, "check")));
    if let Some(fix) = finding["fix"].as_str() {
        output::line(format!("         fix: {}", output::harmless(fix)));
    }
}

/// Asks the running program, and adds where it answers.
async fn with_ports(api: &mut Api) -> anyhow::Result<Value> {
    let mut answer = api.get("/doctor").await?;
    let status = api.get("/status").await?;
    let addresses = list(&status, "addresses").iter().filter_map(Value::as_str);
    let message = addresses.collect::<Vec<_>>().join(", ");
    if let Some(findings) = answer["findings"].as_array_mut() {
        let message = format!("the program answers at {message}");
        findings.insert(0, finding("ports", "ok", message, None));
    }
    Ok(answer)
}

/// Looks at what can be seen from outside.
async fn without_program(
    config: &Config,
    inputs: &Inputs,
    err: &anyhow::Error,
) -> anyhow::Result<Vec<Value>> {
    let mut findings = Vec::new();
    let is_there = AccessFile::read(&config.data_dir).ok().flatten().is_some();
    let message = match is_there {
        true => format!("{err:#}"),
        false => not_running(&config.data_dir),
    };
    findings.push(finding(
        "program",
        "warning",
        message,
        Some("`archestra serve`".to_owned()),
    ));

    let run_dir = tempfile::Builder::new().prefix("archestra-").tempdir()?;
    let tasks = TaskTracker::new();
    let shutdown = CancellationToken::new();
    let podman = without_server(config, inputs, run_dir.path(), tasks.clone(), &shutdown);
    match podman.facts().await {
        Ok(facts) => {
            let kind = if facts.rootless {
                "rootless"
            } else {
                "as root"
            };
            let message = format!("podman {} runs {kind}, by {}", facts.version, facts.runtime);
            findings.push(finding("podman", "ok", message, None));
            for warning in facts.warnings {
                findings.push(finding("podman", "warning", warning, None));
            }
            let image = image_of(config);
            findings.push(match podman.image_exists(&image).await {
                Ok(true) => finding("image", "ok", format!("`{image}` is there"), None),
                Ok(false) => finding(
                    "image",
                    "problem",
                    format!("`{image}` is not there"),
                    Some("run `archestra image build`".to_owned()),
                ),
                Err(err) => finding("image", "problem", err.to_string(), err.hint()),
            });
        }
        Err(err) => {
            let hint = err.hint();
            let message = format!("{:#}", anyhow::Error::from(err));
            findings.push(finding("podman", "problem", message, hint));
        }
    }
    shutdown.cancel();
    drop(podman);
    tasks.close();
    tasks.wait().await;
    for found in found_model_servers(config).await {
        let (name, url) = (found.candidate.name, found.candidate.base_url);
        let message = match found.models.as_slice() {
            [] => format!("`{name}` at `{url}` has no model"),
            [first, ..] => format!(
                "`{name}` at `{url}` has models, for instance `{}`",
                first.name
            ),
        };
        let level = if found.models.is_empty() {
            "warning"
        } else {
            "ok"
        };
        findings.push(finding("models", level, message, None));
    }
    for address in &config.listen {
        findings.push(match std::net::TcpListener::bind(address) {
            Ok(_free) => finding("ports", "ok", format!("`{address}` is free"), None),
            Err(err) => finding(
                "ports",
                "problem",
                format!("cannot listen on `{address}`: {err}"),
                Some("choose another with `--listen`".to_owned()),
            ),
        });
    }
    Ok(findings)
}

fn finding(check: &str, level: &str, message: String, fix: Option<String>) -> Value {
    json!({ "check": check, "level": level, "message": message, "fix": fix })
}
