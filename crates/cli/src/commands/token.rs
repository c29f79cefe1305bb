use std::process::ExitCode;

use serde_json::{Value, json};

use crate::{
    api::{Api, part},
    args::TokenCommand,
    commands::{list, text},
    output,
    target::Finder,
};

pub(crate) async fn run(
    finder: &Finder,
    command: TokenCommand,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let mut api = Api::find(finder)?;
    match command {
        TokenCommand::Create {
            name,
            principal,
            server,
            tool,
        } => {
            let tools: Vec<Value> = tool
                .iter()
                .map(|it| json!({ "server": it.server, "tool": it.tool }))
                .collect();
            let body = json!({
                "name": name,
                "principal": principal,
                "servers": (!server.is_empty()).then_some(server),
                "tools": (!tools.is_empty()).then_some(tools),
            });
            let made = api.post("/tokens", Some(&body)).await?;
            if as_json {
                output::json(&made);
            } else {
                output::line(text(&made, "token"));
                output::note(format!(
                    "shown this once; a client sends it as `Authorization: Bearer …` to http://{}/mcp",
                    api.target().address
                ));
            }
        }
        TokenCommand::List => {
            let tokens = api.get("/tokens").await?;
            if as_json {
                output::json(&tokens);
            } else {
                let rows: Vec<_> = list(&tokens, "tokens").iter().map(row).collect();
                output::table(&["NAME", "KIND", "PRINCIPAL", "ACCESS", "STATE"], &rows);
            }
        }
        TokenCommand::Revoke { token } => {
            api.delete(&format!("/tokens/{}", part(&token))).await?;
            if !as_json {
                output::line(format!("token `{token}` is revoked"));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn row(token: &Value) -> Vec<String> {
    let mut access: Vec<String> = Vec::new();
    for server in list(token, "servers") {
        access.push(server.as_str().unwrap_or_default().to_owned());
    }
    for tool in list(token, "tools") {
        access.push(format!("{}/{}", text(tool, "server"), text(tool, "tool")));
    }
    let access = match token["servers"].is_null() && token["tools"].is_null() {
        true => "all".to_owned(),
        false => access.join(" "),
    };
    let state = match (&token["revoked_at_ms"], &token["last_used_at_ms"]) {
        (Value::Null, Value::Null) => "never used",
        (Value::Null, _) => "used",
        _ => "revoked",
    };
    vec![
        output::harmless(text(token, "name")),
        text(token, "kind").to_owned(),
        text(token, "principal").to_owned(),
        output::harmless(&access),
        state.to_owned(),
    ]
}
