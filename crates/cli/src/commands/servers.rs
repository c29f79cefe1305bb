//! `servers`, all but adding one.

use std::process::ExitCode;

use anyhow::bail;
use serde_json::{Value, json};

use crate::{
    api::{Api, part},
    args::ServersCommand,
    commands::{list, servers_add, servers_header, servers_set, text},
    output,
    target::Finder,
};

/// How long a request for log lines waits for one, in seconds.
const LOGS_WAIT_S: u64 = 25;

pub(crate) async fn run(
    finder: &Finder,
    command: ServersCommand,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let mut api = Api::find(finder)?;
    let (path, what) = match command {
        ServersCommand::Add(args) => return servers_add::add(&mut api, *args, as_json).await,
        ServersCommand::List => return list_servers(&mut api, as_json).await,
        ServersCommand::Show { server } => return show(&mut api, &server, as_json).await,
        ServersCommand::Logs {
            server,
            follow,
            lines,
        } => return logs(&mut api, &server, follow, lines, as_json).await,
        ServersCommand::Retry { server, wait } => {
            api.post(&of(&server, "/retry"), None).await?;
            return servers_add::wait(&mut api, &server, &wait, as_json).await;
        }
        ServersCommand::Consent {
            server,
            decision,
            wait,
        } => {
            let body = json!({ "run": decision.run });
            api.post(&of(&server, "/consent"), Some(&body)).await?;
            return servers_add::wait(&mut api, &server, &wait, as_json).await;
        }
        ServersCommand::ToolChanges { server, changes } => {
            let changes = changes.as_str();
            let body = json!({ "changes": changes });
            api.put_body(&of(&server, "/tool-changes"), &body).await?;
            (server, format!("is set to {changes} when its tools change"))
        }
        ServersCommand::Set(args) => return servers_set::set(&mut api, *args, as_json).await,
        ServersCommand::Secret(command) => {
            return servers_set::secret(&mut api, command, as_json).await;
        }
        ServersCommand::Header(command) => {
            return servers_header::run(&mut api, command, as_json).await;
        }
        ServersCommand::Remove { server } => {
            api.delete(&of(&server, "")).await?;
            (server, "is removed".to_owned())
        }
        ServersCommand::Restart { server } => {
            api.post(&of(&server, "/restart"), None).await?;
            (server, "begins anew".to_owned())
        }
        ServersCommand::Enable { server } => {
            api.post(&of(&server, "/enable"), None).await?;
            (server, "is switched on".to_owned())
        }
        ServersCommand::Disable { server } => {
            api.post(&of(&server, "/disable"), None).await?;
            (server, "is switched off".to_owned())
        }
        ServersCommand::Allow { server, host } => {
            api.put(&of(
                &server,
                &format!("/egress/{}", part(&host.to_string())),
            ))
            .await?;
            (server, format!("may reach `{host}`"))
        }
        ServersCommand::Disallow { server, host } => {
            api.delete(&of(
                &server,
                &format!("/egress/{}", part(&host.to_string())),
            ))
            .await?;
            (server, format!("may not reach `{host}` any more"))
        }
    };
    if !as_json {
        output::line(format!("server `{path}` {what}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the path of something of a server.
pub(super) fn of(server: &str, rest: &str) -> String {
    format!("/servers/{}{rest}", part(server))
}

async fn list_servers(api: &mut Api, as_json: bool) -> anyhow::Result<ExitCode> {
    let servers = api.get("/servers").await?;
    if as_json {
        output::json(&servers);
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<_> = list(&servers, "servers").iter().map(row).collect();
    if rows.is_empty() {
        output::note("no servers; add one with `archestra servers add npm:NAME`");
    } else {
        output::table(&["NAME", "STATE", "TOOLS", "FROM"], &rows);
    }
    for server in list(&servers, "servers") {
        if let Some(reason) = server["status"]["reason"].as_str() {
            let name = text(server, "slug");
            output::note(format!("{name}: {}", output::harmless(reason)));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn row(server: &Value) -> Vec<String> {
    vec![
        text(server, "slug").to_owned(),
        text(&server["status"], "state").to_owned(),
        server["tools"].to_string(),
        output::harmless(&source(&server["source"])),
    ]
}

fn source(source: &Value) -> String {
    if text(source, "kind") == "remote" {
        return text(source, "url").to_owned();
    }
    let registry = text(source, "registry");
    let at = match source["version"].as_str() {
        Some(version) if registry == "npm" => format!("@{version}"),
        Some(version) => format!("=={version}"),
        None => String::new(),
    };
    format!("{registry}:{}{at}", text(source, "name"))
}

async fn show(api: &mut Api, server: &str, as_json: bool) -> anyhow::Result<ExitCode> {
    let server = api.get(&of(server, "")).await?;
    if as_json {
        output::json(&server);
        return Ok(ExitCode::SUCCESS);
    }
    let line = |name: &str, value: &str| {
        if !value.is_empty() {
            output::line(format!("{name:<12}{}", output::harmless(value)));
        }
    };
    let joined = |key: &str| {
        let texts = list(&server, key).iter().filter_map(Value::as_str);
        texts.collect::<Vec<_>>().join(" ")
    };
    line("name", text(&server, "slug"));
    line("title", text(&server, "title"));
    line("from", &source(&server["source"]));
    line("state", text(&server["status"], "state"));
    line("reason", text(&server["status"], "reason"));
    line("tools", &server["tools"].to_string());
    if server["tools_waiting"] != 0 {
        let slug = text(&server, "slug");
        let waiting = &server["tools_waiting"];
        line(
            "to look at",
            &format!("{waiting}, with `archestra review {slug}`"),
        );
    }
    line("on changes", text(&server, "tool_changes"));
    line(
        "at",
        &format!("http://{}{}", api.target().address, text(&server, "path")),
    );
    line("arguments", &joined("args"));
    line("reaches", &joined("egress"));
    line("secrets", &joined("secrets"));
    line("headers", &joined("headers"));
    for (name, value) in server["env"].as_object().into_iter().flatten() {
        line(
            "variable",
            &format!("{name}={}", value.as_str().unwrap_or_default()),
        );
    }
    for folder in list(&server, "folders") {
        let (host, inside) = (text(folder, "host"), text(folder, "inside"));
        line(
            "folder",
            &format!("{host} as {inside}, {}", text(folder, "access")),
        );
    }
    line("isolation", text(&server, "isolation"));
    for (name, value) in server["limits"].as_object().into_iter().flatten() {
        line("limit", &format!("{name} {value}"));
    }
    if server["keep_warm"] == true {
        line("kept warm", "yes");
    }
    for warning in list(&server, "warnings") {
        line("warning", warning.as_str().unwrap_or_default());
    }
    let install = &server["install"];
    line("installed", text(install, "resolved_version"));
    line("failure", text(install, "failure"));
    for step in list(install, "steps") {
        let state = text(step, "state");
        line(
            "step",
            &format!(
                "{:<10} {state} {}",
                text(step, "name"),
                text(step, "reason")
            ),
        );
        if state == "failed" {
            output::line(output::harmless(text(step, "log")));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn logs(
    api: &mut Api,
    server: &str,
    follow: bool,
    lines: usize,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let mut answer = api
        .get(&of(server, &format!("/logs?lines={lines}")))
        .await?;
    loop {
        for line in list(&answer, "lines") {
            if as_json {
                output::json(line);
            } else {
                let mark = match text(line, "stream") {
                    "stdout" => "out",
                    "stderr" => "err",
                    _ => "***",
                };
                output::line(format!("{mark} {}", output::harmless(text(line, "text"))));
            }
        }
        if !follow {
            return Ok(ExitCode::SUCCESS);
        }
        let Some(after) = answer["after"].as_u64() else {
            bail!("the program's answer is not understood");
        };
        answer = api
            .get(&of(
                server,
                &format!("/logs?after={after}&wait_s={LOGS_WAIT_S}"),
            ))
            .await?;
    }
}
