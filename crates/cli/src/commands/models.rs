//! `models`: what can answer, and what chats begin with.

use std::process::ExitCode;

use anyhow::bail;
use serde_json::{Value, json};

use crate::{
    api::Api,
    args::models::ModelsCommand,
    commands::{
        list,
        providers::{failure, find},
        text,
    },
    output,
    target::Finder,
};

pub(crate) async fn run(
    finder: &Finder,
    command: ModelsCommand,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let mut api = Api::find(finder)?;
    let api = &mut api;
    match command {
        ModelsCommand::List { refresh } => show_all(api, refresh, as_json).await?,
        ModelsCommand::Default {
            model: Some(model),
            provider,
            ..
        } => {
            let provider = match provider {
                Some(provider) => text(&find(api, &provider).await?, "id").to_owned(),
                None => provider_of(list(&api.get("/models").await?, "models"), &model)?,
            };
            let body = json!({ "provider": provider, "model": model });
            api.put_body("/models/default", &body).await?;
            if !as_json {
                output::line(format!("chats begin with `{}`", output::harmless(&model)));
            }
        }
        ModelsCommand::Default { none: true, .. } => {
            api.delete("/models/default").await?;
            if !as_json {
                output::line("the program chooses what chats begin with");
            }
        }
        ModelsCommand::Default { .. } => show_default(&api.get("/models").await?, as_json),
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the provider that has a model.
fn provider_of(models: &[Value], model: &str) -> anyhow::Result<String> {
    let with_it = models.iter().filter(|it| text(it, "name") == model);
    let providers: Vec<&str> = with_it.map(|it| text(it, "provider")).collect();
    match providers.as_slice() {
        [only] => Ok((*only).to_owned()),
        [] => {
            bail!("no provider has the model `{model}`; `archestra models list` shows all models")
        }
        several => bail!(
            "several providers have the model `{model}`; say which by `--provider`: {}",
            several.join(", ")
        ),
    }
}

async fn show_all(api: &mut Api, refresh: bool, as_json: bool) -> anyhow::Result<()> {
    let path = match refresh {
        true => "/models?refresh=true",
        false => "/models",
    };
    let answer = api.get(path).await?;
    if as_json {
        output::json(&answer);
        return Ok(());
    }
    let providers = api.get("/providers").await?;
    let name_of = |id: &str| {
        let mut all = list(&providers, "providers").iter();
        let found = all.find(|it| text(it, "id") == id);
        found.map_or(id, |it| text(it, "name")).to_owned()
    };
    let rows: Vec<_> = list(&answer, "models")
        .iter()
        .map(|it| row(it, &name_of(text(it, "provider")), &answer["default"]))
        .collect();
    match rows.is_empty() {
        true => output::note(
            "there is no model yet; start Ollama or LM Studio on this machine, or add a provider: `archestra providers add`",
        ),
        false => output::table(&["MODEL", "PROVIDER", "CONTEXT", "TOOLS", ""], &rows),
    }
    for it in list(&answer, "failed") {
        output::note(output::harmless(&failure(&it["error"])));
    }
    Ok(())
}

fn row(model: &Value, provider: &str, default: &Value) -> Vec<String> {
    let is_default = default["provider"] == model["provider"] && default["model"] == model["name"];
    let tools = match (model["demo"] == true, model["tools"].as_bool()) {
        (true, _) => "plays a model",
        (_, Some(true)) => "yes",
        (_, Some(false)) => "no",
        (_, None) => "-",
    };
    vec![
        output::harmless(text(model, "name")),
        output::harmless(provider),
        model["context_tokens"]
            .as_u64()
            .map_or_else(|| "-".to_owned(), |it| it.to_string()),
        tools.to_owned(),
        if is_default { "default" } else { "" }.to_owned(),
    ]
}

fn show_default(models: &Value, as_json: bool) {
    let default = &models["default"];
    if as_json {
        let chosen = &models["default_chosen"];
        output::json(&json!({ "default": default, "default_chosen": chosen }));
        return;
    }
    if default.is_null() {
        output::note("there is no model yet");
        return;
    }
    let model = output::harmless(text(default, "model"));
    output::line(match models["default_chosen"] == true {
        true => format!("chats begin with `{model}`"),
        false => format!("chats begin with `{model}`, which the program has chosen"),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_where_one_provider_has_it() {
        let models = [
            json!({ "provider": "1", "name": "a" }),
            json!({ "provider": "1", "name": "b" }),
            json!({ "provider": "2", "name": "b" }),
        ];
        let of = |model: &str| match provider_of(&models, model) {
            Ok(provider) => provider,
            Err(err) => err.to_string(),
        };
        assert_eq!(of("a"), "1");
        assert!(of("b").ends_with("by `--provider`: 1, 2"), "{}", of("b"));
        assert!(of("c").starts_with("no provider has the model `c`; "));
    }
}
