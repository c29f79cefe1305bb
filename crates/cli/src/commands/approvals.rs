//! `approvals` and `grants`: calls that wait for a person, and the permissions that come of them.

use std::{collections::BTreeMap, process::ExitCode};

use anyhow::{Context as _, bail};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json, value::RawValue};

use crate::{
    api::{Api, part},
    args::decisions::{ApprovalsCommand, DecidedArgs, GrantsCommand},
    commands::{confirmed, or_look, shown::pretty, text},
    output,
    target::Finder,
};

/// Of one page of the API.
const PAGE_MAX: usize = 100;
const ARGUMENTS_CHARS_MAX: usize = 60;

/// A request, its arguments as they were sent.
#[derive(Deserialize)]
struct Approval {
    id: String,
    state: String,
    server: String,
    tool: String,
    pin: String,
    principal: String,
    client: Option<String>,
    chat: Option<String>,
    why: String,
    arguments: Box<RawValue>,
    edited_arguments: Option<Box<RawValue>>,
    decided_by: Option<String>,
    scope: Option<String>,
    reason: Option<String>,
}

pub(crate) async fn run(
    finder: &Finder,
    command: Option<ApprovalsCommand>,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let mut api = Api::find(finder)?;
    match command.unwrap_or(ApprovalsCommand::List(DecidedArgs::default())) {
        ApprovalsCommand::List(args) => list_approvals(&mut api, &args, as_json).await?,
        ApprovalsCommand::Show { approval } => {
            let answer = get(&mut api, &approval).await?;
            if as_json {
                output::line(answer);
            } else {
                show(&parse(&answer)?);
            }
        }
        ApprovalsCommand::Approve {
            approval,
            scope,
            yes,
        } => {
            let approval: Approval = parse(&get(&mut api, &approval).await?)?;
            if !as_json {
                show(&approval);
            }
            let scope = scope.scope();
            if !yes && !confirmed(&format!("approve it, {}?", of_scope(scope)))? {
                bail!("nothing is decided");
            }
            let body = json!({ "pin": approval.pin, "decision": "approve", "scope": scope });
            let said = format!("approved, {}", of_scope(scope));
            decide(&mut api, &approval.id, &body, &said, as_json).await?;
        }
        ApprovalsCommand::Deny { approval, reason } => {
            let approval: Approval = parse(&get(&mut api, &approval).await?)?;
            let body = json!({ "pin": approval.pin, "decision": "deny", "reason": reason });
            decide(&mut api, &approval.id, &body, "denied", as_json).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn run_grants(
    finder: &Finder,
    command: GrantsCommand,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let mut api = Api::find(finder)?;
    match command {
        GrantsCommand::List(args) => list_grants(&mut api, &args, as_json).await?,
        GrantsCommand::Revoke { grant } => {
            let revoked = api.delete(&format!("/grants/{}", part(&grant))).await;
            or_look(revoked, "`archestra grants list` has those that do")?;
            if !as_json {
                output::line(format!("permission `{grant}` is taken back"));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn path(approval: &str) -> String {
    format!("/approvals/{}", part(approval))
}

async fn get(api: &mut Api, approval: &str) -> anyhow::Result<String> {
    let answer = api.get_text(&path(approval)).await;
    or_look(answer, "`archestra approvals` lists those that wait")
}

fn parse<T: DeserializeOwned>(answer: &str) -> anyhow::Result<T> {
    serde_json::from_str(answer).context("the program's answer is not understood")
}

async fn list_approvals(api: &mut Api, args: &DecidedArgs, as_json: bool) -> anyhow::Result<()> {
    let path = format!("/approvals?open={}", !args.all);
    let listed = newest(api, &path, "approvals", args.limit).await?;
    if as_json {
        return listed.print("approvals");
    }
    let approvals: Vec<Approval> = listed.parse()?;
    if approvals.is_empty() {
        output::note("no call waits for you");
        return Ok(());
    }
    let rows: Vec<_> = approvals.iter().map(approval_row).collect();
    let header = ["ID", "STATE", "SERVER", "TOOL", "FROM", "ARGUMENTS"];
    output::table(&header, &rows);
    listed.say_more();
    output::note(
        "`archestra approvals show ID` has all of one; decide with `approve ID` or `deny ID`",
    );
    Ok(())
}

async fn list_grants(api: &mut Api, args: &DecidedArgs, as_json: bool) -> anyhow::Result<()> {
    let path = format!("/grants?active={}", !args.all);
    let listed = newest(api, &path, "grants", args.limit).await?;
    if as_json {
        return listed.print("grants");
    }
    let grants: Vec<Value> = listed.parse()?;
    if grants.is_empty() {
        output::note("no permissions; what you approve is listed here while it holds");
        return Ok(());
    }
    let rows: Vec<_> = grants.iter().map(grant_row).collect();
    output::table(&["ID", "SERVER", "TOOL", "FOR", "STATE"], &rows);
    listed.say_more();
    Ok(())
}

/// A list of the API, the newest first, as it was sent.
struct Listed {
    items: Vec<Box<RawValue>>,
    has_more: bool,
}

async fn newest(api: &mut Api, path: &str, key: &str, limit: usize) -> anyhow::Result<Listed> {
    let mut items: Vec<Box<RawValue>> = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let wanted = PAGE_MAX.min(limit.max(1) - items.len());
        let mut path = format!("{path}&limit={wanted}");
        if let Some(next) = &next {
            path.push_str(&format!("&before={}", part(next)));
        }
        let answer = api.get_text(&path).await?;
        let page: BTreeMap<String, Box<RawValue>> = parse(&answer)?;
        let of = |key: &str| page.get(key).map_or("null", |it| it.get());
        items.extend(parse::<Vec<Box<RawValue>>>(of(key))?);
        next = parse(of("next"))?;
        if next.is_none() || limit <= items.len() {
            return Ok(Listed {
                items,
                has_more: next.is_some(),
            });
        }
    }
}

impl Listed {
    fn parse<T: DeserializeOwned>(&self) -> anyhow::Result<Vec<T>> {
        self.items.iter().map(|it| parse(it.get())).collect()
    }

    fn print(&self, key: &str) -> anyhow::Result<()> {
        let items = serde_json::to_string(&self.items)?;
        output::line(format!("{{{key:?}:{items}}}"));
        Ok(())
    }

    fn say_more(&self) {
        if self.has_more {
            output::note("there are more; `-n` says how many are listed");
        }
    }
}

fn approval_row(approval: &Approval) -> Vec<String> {
    let arguments = approval.arguments.get();
    let arguments = match arguments.chars().nth(ARGUMENTS_CHARS_MAX) {
        None => arguments.to_owned(),
        Some(_) => {
            let start: String = arguments.chars().take(ARGUMENTS_CHARS_MAX - 1).collect();
            start + "…"
        }
    };
    let fields = [
        &approval.id,
        &approval.state,
        &approval.server,
        &approval.tool,
        &approval.who(),
        &arguments,
    ];
    fields
        .map(|it| output::visible(it).replace('\n', " "))
        .to_vec()
}

fn show(approval: &Approval) {
    let line =
        |name: &str, value: &str| output::line(output::visible(&format!("{name:<11}{value}")));
    line(
        "call of",
        &format!("`{}` of `{}`", approval.tool, approval.server),
    );
    line("from", &approval.who());
    line("on behalf", &approval.principal);
    line("why", &approval.why);
    line("state", &approval.state);
    for (name, value) in [
        ("decided by", &approval.decided_by),
        ("for", &approval.scope),
        ("reason", &approval.reason),
    ] {
        if let Some(value) = value {
            line(name, value);
        }
    }
    line("pin", &approval.pin);
    line("arguments", &pretty(&approval.arguments));
    if let Some(edited) = &approval.edited_arguments {
        line("made with", &pretty(edited));
    }
}

async fn decide(
    api: &mut Api,
    id: &str,
    body: &Value,
    said: &str,
    as_json: bool,
) -> anyhow::Result<()> {
    let decided = api
        .post(&format!("{}/decide", path(id)), Some(body))
        .await?;
    if as_json {
        output::json(&decided);
    } else {
        output::line(said);
    }
    Ok(())
}

impl Approval {
    fn who(&self) -> String {
        match (&self.client, &self.chat) {
            (Some(client), _) => format!("client `{client}`"),
            (None, Some(chat)) => format!("chat {chat}"),
            (None, None) => "nobody who is known".to_owned(),
        }
    }
}

/// Returns for what a permission holds, in words.
fn of_scope(scope: &str) -> &'static str {
    match scope {
        "once" => "for this call only",
        "chat" => "for all its calls in this chat",
        "client" => "for all its calls by this client",
        _ => "for all its calls",
    }
}

fn grant_row(grant: &Value) -> Vec<String> {
    let is_for = match text(grant, "scope") {
        "client" => format!("client `{}`", text(grant, "client")),
        "chat" => format!("chat {}", text(grant, "chat")),
        "once" => "one call".to_owned(),
        _ => "everybody of the principal".to_owned(),
    };
    let state = match (&grant["revoked_at_ms"], &grant["used_at_ms"]) {
        _ if grant["is_active"] == true => "holds",
        (Value::Null, Value::Null) => "over",
        (Value::Null, _) => "used",
        _ => "revoked",
    };
    let server = grant["server"].as_str().unwrap_or("(removed)");
    let fields = [
        text(grant, "id"),
        server,
        text(grant, "tool"),
        &is_for,
        state,
    ];
    fields.map(output::visible).to_vec()
}
