//! `servers set` and `servers secret`: what of a server is changed while it stays the same server.

use std::process::ExitCode;

use anyhow::bail;
use serde_json::{Map, Value, json};

use crate::{
    api::{Api, part},
    args::edit::{SecretCommand, SetArgs},
    commands::{
        servers::of,
        servers_add::{self, folder_body},
    },
    output,
};

pub(super) async fn set(api: &mut Api, args: SetArgs, as_json: bool) -> anyhow::Result<ExitCode> {
    let body = body(&args);
    if body.is_empty() {
        bail!("nothing to change is named; `archestra servers set --help` says what can be");
    }
    let server = api.patch(&of(&args.server, ""), &body.into()).await?;
    if as_json {
        output::json(&server);
    } else {
        output::line(format!("server `{}` is changed", args.server));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn secret(
    api: &mut Api,
    command: SecretCommand,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let path = |server: &str, name: &str| of(server, &format!("/secrets/{}", part(name)));
    let said = match command {
        SecretCommand::Set {
            server,
            name,
            from_env,
            give_secret_in_clear,
        } => {
            servers_add::refuse_unconfirmed(&server, [&name], give_secret_in_clear)?;
            let value = match from_env {
                Some(variable) => servers_add::of_variable(name.as_str(), &variable)?,
                None => servers_add::ask(name.as_str())?,
            };
            let body = json!({ "value": value.expose(), "give_secrets_in_clear": true });
            api.put_body(&path(&server, name.as_str()), &body).await?;
            format!("server `{server}` gets the secret `{name}`")
        }
        SecretCommand::Remove { server, name } => {
            api.delete(&path(&server, name.as_str())).await?;
            format!("server `{server}` does not get the secret `{name}` any more")
        }
    };
    if !as_json {
        output::line(said);
    }
    Ok(ExitCode::SUCCESS)
}

fn body(args: &SetArgs) -> Map<String, Value> {
    let mut body = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    put("title", args.title.as_deref().map(Into::into));
    let has_args = !args.args.is_empty() || args.no_args;
    put("args", has_args.then(|| args.args.clone().into()));
    let set = args.env.iter().map(|(name, it)| (name, it.as_str().into()));
    let unset = args.unset.iter().map(|name| (name, Value::Null));
    let env: Map<String, Value> = set
        .chain(unset)
        .map(|(name, value)| (name.to_string(), value))
        .collect();
    put("env", (!env.is_empty()).then_some(env.into()));
    let folders: Vec<Value> = args.folder.iter().map(folder_body).collect();
    let has_folders = !folders.is_empty() || args.no_folders;
    put("folders", has_folders.then_some(folders.into()));
    put("isolation", args.isolation.map(|it| it.as_str().into()));
    put("keep_warm", args.keep_warm.map(Into::into));
    let limits = args.limits.body();
    put("limits", (!limits.is_empty()).then_some(limits.into()));
    body
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: SetArgs,
    }

    #[test]
    fn only_what_is_given_is_sent() {
        let check = |line: &str| {
            let words = line.split(' ');
            body(&Line::parse_from(["set"].into_iter().chain(words)).args)
        };
        let lines = [
            "thing",
            "thing --title T --arg a --arg=-b --keep-warm false",
            "thing --no-args --no-folders --isolation shared",
            "thing --env A=1 --unset B --memory 64MiB --call-timeout 5s",
            "thing --folder /x:/data:rw",
        ];
        let sent: Vec<String> = lines
            .iter()
            .map(|it| serde_json::to_string(&check(it)).unwrap())
            .collect();
        expect_test::expect![[r#"
            {}
            {"args":["a","-b"],"keep_warm":false,"title":"T"}
            {"args":[],"folders":[],"isolation":"shared"}
            {"env":{"A":"1","B":null},"limits":{"call_timeout_ms":5000,"memory_bytes_max":67108864}}
            {"folders":[{"access":"read_write","host":"/x","inside":"/data"}]}"#]]
        .assert_eq(&sent.join("\n"));
    }
}
