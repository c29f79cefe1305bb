//! Which model is asked where nobody has said it.

use agent::ModelInfo;

/// Words in the names of models that do not talk. A list says nothing else about that.
const NO_CHAT: [&str; 15] = [
    "audio",
    "babbage",
    "dall-e",
    "davinci",
    "embed",
    "guard",
    "image",
    "moderation",
    "realtime",
    "rerank",
    "sora",
    "speech",
    "transcribe",
    "tts",
    "whisper",
];

/// Returns the model out of a provider's list that a chat begins with: the first that calls tools,
/// else the first that may, else the first that talks.
pub(crate) fn choose(models: &[ModelInfo]) -> Option<&ModelInfo> {
    let rank = |it: &&ModelInfo| match it.tools {
        Some(true) => 0,
        None => 1,
        Some(false) => 2,
    };
    let talking = models.iter().filter(|it| talks(&it.name));
    talking.min_by_key(rank).or_else(|| models.first())
}

fn talks(name: &str) -> bool {
    let name = name.to_lowercase();
    !NO_CHAT.iter().any(|it| name.contains(it))
}

#[cfg(test)]
mod tests {
    use super::choose;
    use agent::ModelInfo;

    #[test]
    fn a_chat_begins_with_a_model_that_talks_and_calls_tools_if_there_is_one() {
        let check = |models: &[(&str, Option<bool>)], expected: Option<&str>| {
            let models: Vec<ModelInfo> = models
                .iter()
                .map(|(name, tools)| ModelInfo {
                    name: (*name).to_owned(),
                    tools: *tools,
                    ..ModelInfo::default()
                })
                .collect();
            assert_eq!(choose(&models).map(|it| it.name.as_str()), expected);
        };
        check(&[], None);
        check(&[("a", None), ("b", None)], Some("a"));
        check(&[("a", Some(false)), ("b", None)], Some("b"));
        check(&[("a", None), ("b", Some(true))], Some("b"));
        check(&[("a", Some(false))], Some("a"));
        check(
            &[
                ("babbage-002", None),
                ("gpt-image-1", None),
                ("gpt-x", None),
            ],
            Some("gpt-x"),
        );
        // It may be misjudged, and is better than none.
        check(&[("Whisper-large", None)], Some("Whisper-large"));
    }
}
