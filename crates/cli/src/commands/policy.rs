//! `policy`: rules about many tools at once.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::{
    api::{Api, part},
    args::decisions::PolicyCommand,
    commands::{list, or_look, text},
    output,
    target::Finder,
};

pub(crate) async fn run(
    finder: &Finder,
    command: PolicyCommand,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let mut api = Api::find(finder)?;
    match command {
        PolicyCommand::List => {
            let rules = api.get("/policy/rules").await?;
            if as_json {
                output::json(&rules);
                return Ok(ExitCode::SUCCESS);
            }
            let rows: Vec<_> = list(&rules, "rules").iter().map(row).collect();
            if rows.is_empty() {
                output::note("no rules; `archestra policy add deny 'delete_*'` makes one");
            } else {
                output::table(&["ID", "EFFECT", "SERVER", "TOOLS"], &rows);
            }
        }
        PolicyCommand::Add {
            effect,
            tool,
            server,
        } => {
            let body = json!({ "effect": effect.as_str(), "tool": tool, "server": server });
            let rule = api.post("/policy/rules", Some(&body)).await?;
            if as_json {
                output::json(&rule);
            } else {
                let of = match rule["server"].as_str() {
                    Some(server) => format!("server `{server}`"),
                    None => "all servers".to_owned(),
                };
                let (id, effect) = (text(&rule, "id"), text(&rule, "effect"));
                output::line(format!(
                    "rule `{id}`: {effect} tools `{}` of {of}",
                    output::visible(tool.as_str())
                ));
            }
        }
        PolicyCommand::Remove { rule } => {
            let removed = api.delete(&format!("/policy/rules/{}", part(&rule))).await;
            or_look(removed, "`archestra policy list` has them")?;
            if !as_json {
                output::line(format!("rule `{rule}` is removed"));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn row(rule: &Value) -> Vec<String> {
    let server = match (&rule["server"], &rule["server_id"]) {
        (Value::Null, Value::Null) => "(all)",
        (Value::Null, _) => "(removed)",
        _ => text(rule, "server"),
    };
    let fields = [
        text(rule, "id"),
        text(rule, "effect"),
        server,
        text(rule, "tool"),
    ];
    fields.map(output::visible).to_vec()
}
