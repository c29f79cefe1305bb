//! `review`: a person looks at what a server says of its tools, and decides.

use std::{collections::BTreeMap, process::ExitCode, time::Duration};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use tokio::time::{Instant, sleep};

use crate::{
    api::Api,
    args::decisions::{AllowTools, ReviewArgs},
    commands::{
        confirmed,
        servers::of,
        shown::{diff, pretty, readable},
    },
    output,
    target::Finder,
};

/// How long the tools of a server that was just added are waited for.
const TOOLS_WAIT: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(200);

#[derive(Deserialize)]
struct Reviews {
    tools: Vec<Review>,
}

#[derive(Deserialize)]
struct Review {
    name: String,
    state: String,
    told: Option<Told>,
    pinned: Option<Pinned>,
    renamed_from: Option<String>,
    changes: Vec<Change>,
    hidden: Vec<Hidden>,
}

#[derive(Deserialize)]
struct Told {
    pin: String,
    definition: Box<RawValue>,
    is_read_only: bool,
}

#[derive(Deserialize)]
struct Pinned {
    looked_at_ms: Option<u64>,
    setting: Option<String>,
}

#[derive(Deserialize)]
struct Change {
    field: String,
    before: Option<Box<RawValue>>,
    after: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Hidden {
    field: String,
    at: usize,
    character: String,
}

/// What of a definition is read.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Definition {
    description: Option<Box<RawValue>>,
    #[serde(rename = "inputSchema")]
    input_schema: Option<Box<RawValue>>,
    annotations: Option<BTreeMap<String, Box<RawValue>>>,
}

pub(crate) async fn run(
    finder: &Finder,
    args: ReviewArgs,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let mut api = Api::find(finder)?;
    let answer = api.get_text(&of(&args.server, "/tools")).await?;
    let reviews = parse(&answer)?;
    let meant = meant(&args, &reviews)?;
    let Some(setting) = args.setting.setting() else {
        if as_json {
            output::line(answer);
        } else {
            show(&args.server, &meant);
        }
        return Ok(ExitCode::SUCCESS);
    };
    if args.tools.is_empty() && !args.all {
        bail!("name the tools that you have looked at with `--tool`, or give `--all`");
    }
    if meant.is_empty() {
        output::note("no tool waits to be looked at");
        return Ok(ExitCode::SUCCESS);
    }
    if !as_json {
        let lines = meant.iter().flat_map(|it| it.lines());
        lines.for_each(|it| output::line(output::visible(&it)));
    }
    let word = setting.unwrap_or("what is proposed");
    let question = format!("set {} of them to {word}?", meant.len());
    if !args.yes && !confirmed(&question)? {
        bail!("nothing is changed");
    }
    let looked = look(&mut api, &args.server, &meant, setting).await?;
    if as_json {
        output::json(&looked.body);
    } else {
        looked.said.iter().for_each(output::line);
    }
    Ok(ExitCode::SUCCESS)
}

/// Looks at all tools of a server that was just added, if the person has said so.
pub(super) async fn after_adding(
    api: &mut Api,
    server: &str,
    allow: AllowTools,
) -> anyhow::Result<()> {
    let setting = match allow {
        AllowTools::All => Some("allow"),
        AllowTools::Proposed => None,
        AllowTools::None => return Ok(()),
    };
    let until = Instant::now() + TOOLS_WAIT;
    loop {
        let reviews = parse(&api.get_text(&of(server, "/tools")).await?)?;
        let meant: Vec<&Review> = reviews.tools.iter().filter(|it| it.waits()).collect();
        if !meant.is_empty() {
            let looked = look(api, server, &meant, setting).await?;
            looked.said.iter().for_each(output::note);
            return Ok(());
        }
        if until <= Instant::now() {
            bail!(
                "server `{server}` has told no tools yet; `archestra review {server} --all --proposed` sets them later"
            );
        }
        sleep(LOOK_AGAIN).await;
    }
}

fn parse(answer: &str) -> anyhow::Result<Reviews> {
    serde_json::from_str(answer).context("the program's answer is not understood")
}

fn meant<'a>(args: &ReviewArgs, reviews: &'a Reviews) -> anyhow::Result<Vec<&'a Review>> {
    if args.tools.is_empty() {
        let is_all = args.all && args.setting.setting().is_none();
        let is_meant = |it: &&Review| is_all || it.waits();
        return Ok(reviews.tools.iter().filter(is_meant).collect());
    }
    let find = |name: &String| {
        let found = reviews.tools.iter().find(|it| it.name == *name);
        let server = &args.server;
        found.with_context(|| {
            format!("server `{server}` has no tool `{name}`; `archestra review {server} --all` shows those that it has")
        })
    };
    args.tools.iter().map(find).collect()
}

fn show(server: &str, reviews: &[&Review]) {
    if reviews.is_empty() {
        output::note(format!(
            "no tool waits to be looked at; `archestra review {server} --all` shows those that were"
        ));
        return;
    }
    let lines = reviews.iter().flat_map(|it| it.lines());
    lines.for_each(|it| output::line(output::visible(&it)));
    output::note(format!(
        "nothing is changed; decide with `archestra review {server} --tool TOOL --allow`, `--ask` or `--deny`, or for all of them with `--all --proposed`"
    ));
}

/// Tells the program that a person has looked at tools.
async fn look(
    api: &mut Api,
    server: &str,
    reviews: &[&Review],
    setting: Option<&str>,
) -> anyhow::Result<Looked> {
    let mut tools = Vec::new();
    let mut said = Vec::new();
    for review in reviews {
        let Some(told) = &review.told else {
            bail!("tool `{}` is gone: there is nothing to decide", review.name);
        };
        tools.push(json!({ "tool": review.name, "pin": told.pin, "setting": setting }));
        let set = setting.unwrap_or(told.proposed());
        let name = output::visible(&review.name);
        said.push(format!("tool `{name}` is set to {set}"));
    }
    let body = json!({ "tools": tools });
    api.post(&of(server, "/tools/look"), Some(&body)).await?;
    Ok(Looked { body, said })
}

/// What the program was told.
struct Looked {
    body: Value,
    /// The same for a person, a line for each tool.
    said: Vec<String>,
}

impl Told {
    const fn proposed(&self) -> &'static str {
        match self.is_read_only {
            true => "allow",
            false => "ask",
        }
    }
}

impl Review {
    fn waits(&self) -> bool {
        let is_looked_at = |it: &Pinned| it.looked_at_ms.is_some();
        let is_new = !self.pinned.as_ref().is_some_and(is_looked_at);
        self.told.is_some() && (self.state != "pinned" || is_new)
    }

    /// Returns what a person is to see of it. What does not show is still in it.
    fn lines(&self) -> Vec<String> {
        let setting = self.pinned.as_ref().and_then(|it| it.setting.as_deref());
        let state = match (self.state.as_str(), setting) {
            ("changed", _) => "has changed, and cannot be called until you agree".to_owned(),
            ("added", _) => "is new, and cannot be called until you agree".to_owned(),
            ("gone", _) => "is gone".to_owned(),
            (_, Some(setting)) if !self.waits() => format!("is set to {setting}"),
            _ => "nobody has looked at it; it asks before each call".to_owned(),
        };
        let mut lines = vec![format!("{}: {state}", self.name)];
        let mut add = |text: &str| lines.extend(text.lines().map(|it| format!("    {it}")));
        if let Some(former) = &self.renamed_from {
            add(&format!("it is what `{former}` was, but for its name"));
        }
        if let Some(told) = &self.told {
            let definition: Definition =
                serde_json::from_str(told.definition.get()).unwrap_or_default();
            if let Some(description) = &definition.description {
                add(&readable(description));
            }
            if let Some(schema) = &definition.input_schema {
                add(&format!("arguments: {}", pretty(schema)));
            }
            for (name, claim) in definition.annotations.iter().flatten() {
                add(&format!("the server claims: {name} {}", claim.get()));
            }
        }
        for hidden in &self.hidden {
            let Hidden {
                field,
                at,
                character,
            } = hidden;
            add(&format!(
                "does not show: {character} in `{field}`, after {at} characters"
            ));
        }
        for change in &self.changes {
            let text = |it: &Option<Box<RawValue>>| it.as_deref().map(readable).unwrap_or_default();
            add(&format!("changed: {}", change.field));
            let lines = diff(&text(&change.before), &text(&change.after));
            lines.iter().for_each(|it| add(&format!("  {it}")));
        }
        if let Some(told) = self.told.as_ref().filter(|_| self.waits()) {
            add(&format!("proposed: {}", told.proposed()));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_shown_with_its_changes_and_what_does_not_show() {
        let review = |state: &str, definition: &str, more: &str| {
            let json = format!(
                r#"{{"name":"write","state":"{state}","told":{{"pin":"p","is_read_only":true,"definition":{definition}}},{more}}}"#
            );
            let review: Review = serde_json::from_str(&json).unwrap();
            output::visible(&review.lines().join("\n"))
        };
        expect_test::expect![[r#"
            write: has changed, and cannot be called until you agree
                Writes⟨U+200B⟩
                a file
                the server claims: readOnlyHint true
                does not show: U+200B in `description`, after 6 characters
                changed: description
                  - Writes
                  + Writes⟨U+200B⟩
                    a file
                proposed: allow"#]]
        .assert_eq(&review(
            "changed",
            r#"{"description":"Writes\u200b\na file","annotations":{"readOnlyHint":true}}"#,
            r#""pinned":{"looked_at_ms":1,"setting":"ask"},"renamed_from":null,
               "hidden":[{"field":"description","at":6,"character":"U+200B"}],
               "changes":[{"field":"description","before":"Writes\na file","after":"Writes\u200b\na file"}]"#,
        ));
        expect_test::expect![[r#"
            write: is new, and cannot be called until you agree
                it is what `old` was, but for its name
                arguments: {
                  "type": "object"
                }
                proposed: allow"#]]
        .assert_eq(&review(
            "added",
            r#"{"inputSchema":{"type":"object"}}"#,
            r#""pinned":null,"renamed_from":"old","hidden":[],"changes":[]"#,
        ));
        let done = r#""pinned":{"looked_at_ms":1,"setting":"deny"},"renamed_from":null,"hidden":[],"changes":[]"#;
        assert_eq!(review("pinned", "{}", done), "write: is set to deny");
    }
}
