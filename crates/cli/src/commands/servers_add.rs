//! `servers add`: what is asked for, its secrets, and the wait until it is installed.

use std::{
    collections::BTreeMap,
    fmt::Display,
    io::{BufRead as _, IsTerminal as _},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, bail};
use domain::{EnvName, HeaderName, Secret};
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use crate::{
    api::Api,
    args::{AddArgs, BuildScripts, Folder, Isolation, WaitArgs, decisions::AllowTools},
    commands::{list, review, servers::of, text},
    output,
};

const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Adds a server and waits for it.
pub(super) async fn add(api: &mut Api, args: AddArgs, as_json: bool) -> anyhow::Result<ExitCode> {
    if args.wait.no_wait && args.allow_tools != AllowTools::None {
        bail!("`--allow-tools` waits until the tools are known; leave out `--no-wait`");
    }
    let secrets = secrets(&args)?;
    let headers = values(&args.header, &args.header_from_env)?;
    let body = body(&args, &secrets, &headers)?;
    let added = api.post("/servers", Some(&body)).await?;
    let slug = text(&added, "slug").to_owned();
    if args.wait.no_wait {
        if as_json {
            output::json(&added);
        } else {
            output::line(format!(
                "server `{slug}` is added; `archestra servers show {slug}` says how far it is"
            ));
        }
        return Ok(ExitCode::SUCCESS);
    }
    if args.allow_tools == AllowTools::None {
        return wait(api, &slug, &args.wait, as_json).await;
    }
    let code = installed(api, &slug, &args.wait, as_json).await?;
    review::after_adding(api, &slug, args.allow_tools).await?;
    Ok(code)
}

/// Waits until a server is installed, and says what is to be done about its tools.
pub(super) async fn wait(
    api: &mut Api,
    slug: &str,
    wait: &WaitArgs,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let code = installed(api, slug, wait, as_json).await?;
    if !wait.no_wait {
        output::note(format!(
            "its tools ask before each call until you have looked at them: `archestra review {slug}`"
        ));
    }
    Ok(code)
}

/// Waits until a server is installed, and shows the steps. The exit code is 1 where it fails.
async fn installed(
    api: &mut Api,
    slug: &str,
    wait: &WaitArgs,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let mut shown: BTreeMap<String, String> = BTreeMap::new();
    loop {
        let server = api.get(&of(slug, "")).await?;
        if wait.no_wait {
            if as_json {
                output::json(&server);
            }
            return Ok(ExitCode::SUCCESS);
        }
        for step in list(&server["install"], "steps") {
            let (name, state) = (text(step, "name"), text(step, "state"));
            let is_news = state != "pending"
                && shown.insert(name.to_owned(), state.to_owned()).as_deref() != Some(state);
            if is_news {
                let reason = output::harmless(text(step, "reason"));
                output::note(format!("{name}: {state} {reason}").trim_end());
            }
        }
        let status = &server["status"];
        let state = text(status, "state");
        if matches!(state, "installing" | "starting") {
            sleep(LOOK_AGAIN).await;
            continue;
        }
        if as_json {
            output::json(&server);
        }
        let reason = output::harmless(text(status, "reason"));
        return match state {
            "ready" | "running" | "disabled" => {
                if !as_json {
                    output::line(format!(
                        "server `{slug}` is {state}, tools: {}, at http://{}{}",
                        server["tools"],
                        api.target().address,
                        text(&server, "path")
                    ));
                }
                Ok(ExitCode::SUCCESS)
            }
            "waiting_for_consent" => bail!(
                "server `{slug}` waits: {reason}; decide with `archestra servers consent {slug} --run` or `--skip`"
            ),
            "install_failed" => bail!(
                "server `{slug}` is not installed: {reason}; `archestra servers show {slug}` has the log, `archestra servers retry {slug}` tries again"
            ),
            _ => bail!(
                "server `{slug}` is {state}: {reason}; `archestra servers logs {slug}` has what it wrote"
            ),
        };
    }
}

fn body(
    args: &AddArgs,
    secrets: &BTreeMap<EnvName, Secret<String>>,
    headers: &BTreeMap<HeaderName, Secret<String>>,
) -> anyhow::Result<Value> {
    let mut all_args = args.args.clone();
    all_args.extend(args.more_args.iter().cloned());
    let env: BTreeMap<&str, &String> = args
        .env
        .iter()
        .map(|(name, value)| (name.as_str(), value))
        .collect();
    let folders: Vec<Value> = args.folder.iter().map(folder_body).collect();
    Ok(json!({
        "slug": args.name,
        "title": args.title,
        "source": source(&args.source, args.command.as_deref())?,
        "args": all_args,
        "env": env,
        "give_secrets_in_clear": args.give_secret_in_clear,
        "secrets": exposed(secrets),
        "headers": exposed(headers),
        "folders": folders,
        "egress": args.allow,
        "isolation": args.isolation.map(Isolation::as_str),
        "limits": args.limits.body(),
        "keep_warm": args.keep_warm,
        "build_scripts": match args.build_scripts {
            BuildScripts::Ask => "ask",
            BuildScripts::Run => "run",
            BuildScripts::Skip => "skip",
        },
    }))
}

pub(super) fn folder_body(folder: &Folder) -> Value {
    let access = if folder.is_writable {
        "read_write"
    } else {
        "read_only"
    };
    json!({ "host": folder.host, "inside": folder.inside, "access": access })
}

/// Understands `npm:NAME[@VERSION]`, `pypi:NAME[==VERSION]` and addresses.
fn source(text: &str, command: Option<&str>) -> anyhow::Result<Value> {
    let package = |registry: &str, name: &str, version: Option<&str>| {
        if name.is_empty() || version == Some("") {
            bail!("`{text}` names no package");
        }
        Ok(json!({
            "kind": "package",
            "registry": registry,
            "name": name,
            "version": version,
            "command": command,
        }))
    };
    if let Some(package_text) = text.strip_prefix("npm:") {
        // A scope begins with `@` as well.
        let at = package_text
            .char_indices()
            .skip(1)
            .find(|(_, it)| *it == '@');
        return match at {
            Some((at, _)) => package("npm", &package_text[..at], Some(&package_text[at + 1..])),
            None => package("npm", package_text, None),
        };
    }
    if let Some(package_text) = text.strip_prefix("pypi:") {
        return match package_text.split_once("==") {
            Some((name, version)) => package("pypi", name, Some(version)),
            None => package("pypi", package_text, None),
        };
    }
    if text.starts_with("https://") || text.starts_with("http://") {
        if command.is_some() {
            bail!("`--command` is for packages; `{text}` is a server that runs elsewhere");
        }
        return Ok(json!({ "kind": "remote", "url": text }));
    }
    bail!("`{text}` is none of `npm:NAME[@VERSION]`, `pypi:NAME[==VERSION]` and `https://…`")
}

/// Asks for the values of secrets, once the person has said that the server may see them.
fn secrets(args: &AddArgs) -> anyhow::Result<BTreeMap<EnvName, Secret<String>>> {
    let names = args
        .secret
        .iter()
        .chain(args.secret_from_env.iter().map(|(name, _)| name));
    refuse_unconfirmed(&args.source, names, args.give_secret_in_clear)?;
    values(&args.secret, &args.secret_from_env)
}

/// Asks nobody for a secret where nobody has said that the server may see it.
pub(super) fn refuse_unconfirmed<'a>(
    server: &str,
    names: impl IntoIterator<Item = &'a EnvName>,
    is_confirmed: bool,
) -> anyhow::Result<()> {
    let names: Vec<String> = names.into_iter().map(|it| format!("`{it}`")).collect();
    if !names.is_empty() && !is_confirmed {
        bail!(
            "the server `{server}` would see the value of {} in clear: its code can keep it, and send it to each host that it may reach; say `--give-secret-in-clear` if you trust it with that",
            names.join(", ")
        );
    }
    Ok(())
}

/// Takes values from variables, and asks for the others.
fn values<N: Clone + Ord + Display>(
    asked_for: &[N],
    of_variables: &[(N, String)],
) -> anyhow::Result<BTreeMap<N, Secret<String>>> {
    let mut values = BTreeMap::new();
    for (name, variable) in of_variables {
        values.insert(name.clone(), of_variable(&name.to_string(), variable)?);
    }
    for name in asked_for {
        values.insert(name.clone(), ask(&name.to_string())?);
    }
    Ok(values)
}

fn exposed<N: Display>(values: &BTreeMap<N, Secret<String>>) -> Map<String, Value> {
    values
        .iter()
        .map(|(name, value)| (name.to_string(), value.expose().as_str().into()))
        .collect()
}

/// Returns the value of a variable of the shell.
pub(super) fn of_variable(name: &str, variable: &str) -> anyhow::Result<Secret<String>> {
    let value = std::env::var(variable)
        .with_context(|| format!("the variable `{variable}` has no value for `{name}`"))?;
    Ok(Secret::new(value))
}

/// Reads one value: a line of standard input, not shown where a person types it.
pub(super) fn ask(name: &str) -> anyhow::Result<Secret<String>> {
    let stdin = std::io::stdin();
    let hidden = stdin.is_terminal().then(Hidden::new).flatten();
    if stdin.is_terminal() {
        output::note(format!("value of `{name}` (it is not shown):"));
    }
    let mut value = String::new();
    let read = stdin
        .lock()
        .read_line(&mut value)
        .context("cannot read standard input")?;
    drop(hidden);
    let value = value.strip_suffix('\n').unwrap_or(&value);
    let value = value.strip_suffix('\r').unwrap_or(value);
    if read == 0 || value.is_empty() {
        bail!("there is no value for `{name}` on standard input");
    }
    Ok(Secret::new(value.to_owned()))
}

/// A terminal that does not show what is typed, until this is dropped.
struct Hidden {
    former: rustix::termios::Termios,
}

impl Hidden {
    fn new() -> Option<Self> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

        let former = tcgetattr(std::io::stdin()).ok()?;
        let mut silent = former.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &silent).ok()?;
        Some(Self { former })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};

        if tcsetattr(std::io::stdin(), OptionalActions::Now, &self.former).is_err() {
            output::note("the terminal may not show what you type; `stty echo` mends it");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_and_addresses_are_told_apart() {
        let check = |text: &str| match source(text, None) {
            Ok(value) if value["kind"] == "remote" => format!("{text} -> {}", value["url"]),
            Ok(value) => format!(
                "{text} -> {} {} {}",
                value["registry"], value["name"], value["version"]
            ),
            Err(err) => format!("{text} -> error: {err}"),
        };
        expect_test::expect![[r#"
            npm:x -> "npm" "x" null
            npm:x@1.0.0 -> "npm" "x" "1.0.0"
            npm:@scope/x -> "npm" "@scope/x" null
            npm:@scope/x@latest -> "npm" "@scope/x" "latest"
            pypi:x==1 -> "pypi" "x" "1"
            pypi:x -> "pypi" "x" null
            https://example.com/mcp -> "https://example.com/mcp"
            npm: -> error: `npm:` names no package
            x -> error: `x` is none of `npm:NAME[@VERSION]`, `pypi:NAME[==VERSION]` and `https://…`"#]]
        .assert_eq(
            &[
                check("npm:x"),
                check("npm:x@1.0.0"),
                check("npm:@scope/x"),
                check("npm:@scope/x@latest"),
                check("pypi:x==1"),
                check("pypi:x"),
                check("https://example.com/mcp"),
                check("npm:"),
                check("x"),
            ]
            .join("\n"),
        );
    }
}
