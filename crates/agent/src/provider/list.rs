use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    ModelClient, ProviderKind,
    read::{BodyError, read_body},
};
use crate::{
    codec::OllamaModel,
    error::{ModelError, ModelErrorKind},
    settle::excerpt,
};

/// Models of which Ollama is asked for more at a time.
const SHOWS_PARALLEL_MAX: usize = 4;
/// Models of which Ollama is asked for more at all.
const SHOWS_MAX: usize = 100;

/// A model as its provider describes it. What it does not say is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// What requests name it by.
    pub name: String,
    pub title: Option<String>,
    pub context_tokens: Option<u64>,
    pub tools: Option<bool>,
    pub vision: Option<bool>,
    pub thinking: Option<bool>,
    /// On disk, for a local model.
    pub size_bytes: Option<u64>,
    /// For instance `8.2B`.
    pub parameters: Option<String>,
}

/// What a connection test found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestReport {
    pub models: Vec<ModelInfo>,
    pub took: Duration,
}

impl ModelClient {
    /// Returns the provider's models, by name.
    ///
    /// Cancel safe.
    pub async fn list_models(&self) -> Result<Vec<ModelInfo>, ModelError> {
        let mut models = match self.provider.kind {
            ProviderKind::OpenAi => {
                let list = self.read_json(self.get("models")?, "").await?;
                openai_models(&list).ok_or_else(|| self.no_list(&list))?
            }
            ProviderKind::Ollama => {
                let list = self.read_json(self.get("api/tags")?, "").await?;
                ollama_models(&list).ok_or_else(|| self.no_list(&list))?
            }
        };
        models.sort_by(|a, b| a.name.cmp(&b.name));
        models.dedup_by(|a, b| a.name == b.name);
        models.truncate(self.settings.models_max);
        if self.provider.kind == ProviderKind::Ollama {
            self.add_shown(&mut models).await;
        }
        Ok(models)
    }

    /// Tries address and key.
    ///
    /// Cancel safe.
    pub async fn test(&self) -> Result<TestReport, ModelError> {
        let start = tokio::time::Instant::now();
        let models = self.list_models().await?;
        let took = start.elapsed();
        if models.is_empty() {
            let provider = &self.provider.name;
            return Err(ModelError::new(
                ModelErrorKind::ModelMissing,
                format!("`{provider}` answers, and has no models"),
                "download one there",
            ));
        }
        Ok(TestReport { models, took })
    }

    /// Returns what Ollama says of a model.
    pub(super) async fn ollama_model(&self, name: &str) -> Result<OllamaModel, ModelError> {
        let body = json!({ "model": name });
        let shown = self.read_json(self.post("api/show", &body)?, name).await?;
        Ok(ollama_shown(&shown))
    }

    async fn add_shown(&self, models: &mut [ModelInfo]) {
        let asked = models.iter().take(SHOWS_MAX).map(|it| it.name.clone());
        let shows: Vec<_> = asked.map(|it| self.show(it).boxed()).collect();
        let shows = stream::iter(shows).buffered(SHOWS_PARALLEL_MAX);
        let shows: Vec<_> = shows.collect().await;
        for (model, shown) in models.iter_mut().zip(shows) {
            // A model that cannot be shown is listed all the same.
            if let Ok(shown) = shown {
                model.context_tokens = shown.context_tokens;
                model.tools = Some(shown.tools);
                model.vision = Some(shown.vision);
                model.thinking = Some(shown.thinking);
            }
        }
    }

    async fn show(&self, name: String) -> Result<OllamaModel, ModelError> {
        self.ollama_model(&name).await
    }

    async fn read_json(
        &self,
        request: reqwest::RequestBuilder,
        model: &str,
    ) -> Result<Value, ModelError> {
        let list_timeout = self.settings.list_timeout;
        let response = self.send(request, model, list_timeout).await?;
        let body = read_body(response, self.settings.list_bytes_max, list_timeout).await;
        let body = body.map_err(|err| match err {
            BodyError::TooLong => {
                let (provider, limit) = (&self.provider.name, self.settings.list_bytes_max);
                ModelError::new(
                    ModelErrorKind::Limit,
                    format!("the list of `{provider}` is longer than {limit} bytes"),
                    "check that the address is that of a model provider",
                )
            }
            BodyError::Silent => self.silent(list_timeout),
            BodyError::Broken(err) => self.transport_error(&err),
        })?;
        serde_json::from_slice(&body)
            .map_err(|_| self.no_list(&Value::String(super::read::text_of(&body))))
    }

    fn no_list(&self, said: &Value) -> ModelError {
        let (provider, url) = (&self.provider.name, &self.provider.base_url);
        let mut error = ModelError::new(
            ModelErrorKind::Malformed,
            format!("what `{provider}` has at `{url}` is no list of models"),
            "correct the address or the kind in the settings of the provider",
        );
        error.details = Some(excerpt(&said.to_string()).to_owned());
        error
    }
}

/// Reads a list of models as OpenAI and those like it send it.
pub(super) fn openai_models(list: &Value) -> Option<Vec<ModelInfo>> {
    let entries = list["data"].as_array().or_else(|| list.as_array())?;
    Some(entries.iter().filter_map(openai_model).collect())
}

fn openai_model(entry: &Value) -> Option<ModelInfo> {
    let number = |pointer: &str| entry.pointer(pointer).and_then(Value::as_u64);
    // OpenRouter, vLLM, LM Studio, Groq, Mistral, llama.cpp.
    let context = [
        "/context_length",
        "/max_model_len",
        "/max_context_length",
        "/context_window",
        "/meta/n_ctx_train",
    ];
    let has = |pointer: &str, what: &str| {
        let list = entry.pointer(pointer)?.as_array()?;
        Some(list.iter().any(|it| it == what))
    };
    let flag = |pointer: &str| entry.pointer(pointer).and_then(Value::as_bool);
    Some(ModelInfo {
        name: entry["id"].as_str()?.to_owned(),
        title: entry["name"].as_str().map(str::to_owned),
        context_tokens: context.iter().find_map(|it| number(it)),
        tools: has("/supported_parameters", "tools")
            .or_else(|| flag("/capabilities/function_calling"))
            .or_else(|| has("/capabilities", "tool_use")),
        vision: has("/architecture/input_modalities", "image")
            .or_else(|| flag("/capabilities/vision")),
        thinking: has("/supported_parameters", "reasoning"),
        size_bytes: number("/meta/size"),
        parameters: None,
    })
}

/// Reads what `/api/tags` sends.
fn ollama_models(list: &Value) -> Option<Vec<ModelInfo>> {
    let entries = list["models"].as_array()?;
    let text = |it: &Value| it.as_str().map(str::to_owned);
    let models = entries.iter().filter_map(|it| {
        Some(ModelInfo {
            name: text(&it["model"]).or_else(|| text(&it["name"]))?,
            size_bytes: it["size"].as_u64(),
            parameters: text(&it["details"]["parameter_size"]),
            ..ModelInfo::default()
        })
    });
    Some(models.collect())
}

/// Reads what `/api/show` sends. An old server names no capabilities, and then a model may have any.
fn ollama_shown(shown: &Value) -> OllamaModel {
    let info = shown["model_info"].as_object();
    let context = info.and_then(|it| {
        let key = it.keys().find(|it| it.ends_with(".context_length"))?;
        it[key].as_u64()
    });
    let capabilities = shown["capabilities"].as_array();
    let can = |what: &str| capabilities.is_none_or(|them| them.iter().any(|it| it == what));
    OllamaModel {
        context_tokens: context,
        tools: can("tools"),
        vision: can("vision"),
        // Asking one that cannot is an error, so this one has to be said.
        thinking: capabilities.is_some() && can("thinking"),
    }
}

#[cfg(test)]
mod tests {
    use super::{ollama_models, ollama_shown, openai_models};
    use expect_test::expect;
    use serde_json::json;

    #[test]
    fn lists_are_read_whatever_they_tell() {
        let list = json!({ "object": "list", "data": [
            { "id": "gpt", "object": "model", "owned_by": "openai" },
            { "id": "or/x", "name": "X", "context_length": 9, "supported_parameters": ["tools"],
              "architecture": { "input_modalities": ["text", "image"] } },
            { "id": "qwen", "max_model_len": 32_768 },
            { "id": "mistral", "capabilities": { "function_calling": true, "vision": false } },
            { "id": "gguf", "meta": { "n_ctx_train": 4_096, "size": 5 } },
            { "no": "id" },
        ] });
        let lines = openai_models(&list).unwrap();
        let lines = lines.iter().map(|it| serde_json::to_string(it).unwrap());
        expect![[r#"
            {"name":"gpt","title":null,"context_tokens":null,"tools":null,"vision":null,"thinking":null,"size_bytes":null,"parameters":null}
            {"name":"or/x","title":"X","context_tokens":9,"tools":true,"vision":true,"thinking":false,"size_bytes":null,"parameters":null}
            {"name":"qwen","title":null,"context_tokens":32768,"tools":null,"vision":null,"thinking":null,"size_bytes":null,"parameters":null}
            {"name":"mistral","title":null,"context_tokens":null,"tools":true,"vision":false,"thinking":null,"size_bytes":null,"parameters":null}
            {"name":"gguf","title":null,"context_tokens":4096,"tools":null,"vision":null,"thinking":null,"size_bytes":5,"parameters":null}"#]].assert_eq(&lines.collect::<Vec<_>>().join("\n"));
        assert_eq!(openai_models(&json!({ "hello": "world" })), None);
    }

    #[test]
    fn ollamas_models_are_read() {
        let list = json!({ "models": [{ "name": "qwen3:8b", "model": "qwen3:8b", "size": 7,
            "details": { "parameter_size": "8.2B" } }] });
        let models = ollama_models(&list).unwrap();
        assert_eq!(models[0].parameters.as_deref(), Some("8.2B"));
        let shown = json!({ "capabilities": ["completion", "tools"],
            "model_info": { "qwen3.context_length": 40_960, "qwen3.block_count": 36 } });
        expect!["OllamaModel { context_tokens: Some(40960), tools: true, vision: false, thinking: false }"].assert_eq(&format!("{:?}", ollama_shown(&shown)));
        expect!["OllamaModel { context_tokens: None, tools: true, vision: true, thinking: false }"]
            .assert_eq(&format!("{:?}", ollama_shown(&json!({}))));
    }
}
