use std::time::Duration;

use futures_util::{FutureExt as _, future::join_all};
use reqwest::Client;
use tokio::time::timeout;
use url::Url;

use super::{ClientSettings, ModelClient, ModelInfo, Provider, ProviderKind, base_url};

/// An address at which a model server may listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub name: String,
    pub kind: ProviderKind,
    pub base_url: Url,
}

/// A model server that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub candidate: Candidate,
    pub models: Vec<ModelInfo>,
}

/// Returns where the usual local servers listen.
pub fn candidates() -> Vec<Candidate> {
    const USUAL: [(&str, ProviderKind, &str); 5] = [
        ("Ollama", ProviderKind::Ollama, "http://127.0.0.1:11434"),
        ("LM Studio", ProviderKind::OpenAi, "http://127.0.0.1:1234"),
        ("llama.cpp", ProviderKind::OpenAi, "http://127.0.0.1:8080"),
        ("vLLM", ProviderKind::OpenAi, "http://127.0.0.1:8000"),
        ("Jan", ProviderKind::OpenAi, "http://127.0.0.1:1337"),
    ];
    let candidate = |(name, kind, address): &(&str, ProviderKind, &str)| Candidate {
        name: (*name).to_owned(),
        kind: *kind,
        base_url: base_url(*kind, address).expect("the addresses above are addresses"),
    };
    USUAL.iter().map(candidate).collect()
}

/// Asks all of `candidates` at once, without any key, and returns those that answer with a list of
/// models within `most`, in their order.
///
/// Cancel safe.
pub async fn discover(http: &Client, candidates: Vec<Candidate>, most: Duration) -> Vec<Found> {
    let ask = |candidate: Candidate| {
        let ask = async move {
            let provider = Provider {
                name: candidate.name.clone(),
                kind: candidate.kind,
                base_url: candidate.base_url.clone(),
                key: None,
                context_tokens_max: None,
            };
            let client = ModelClient::new(http.clone(), provider, ClientSettings::default());
            // Anything may listen there, so what is no list of models is nothing.
            let models = timeout(most, client.list_models()).await.ok()?.ok()?;
            Some(Found { candidate, models })
        };
        ask.boxed()
    };
    let asked: Vec<_> = candidates.into_iter().map(ask).collect();
    let found = join_all(asked).await;
    found.into_iter().flatten().collect()
}
