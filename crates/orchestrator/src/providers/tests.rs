//! Against the scripted model, which speaks both APIs.

use agent::{ModelErrorKind, ProviderKind};
use domain::PrincipalName;
use scripted_model::{DEMO, Options, ScriptedModel};
use store::ModelDefault;

use super::{AddProvider, ProviderChange, ProviderDetails};
use crate::{
    Error,
    tests::bed::{House, person, reach_out},
};

async fn house() -> House {
    House::set(reach_out).await
}

async fn scripted() -> ScriptedModel {
    ScriptedModel::start(Options::default()).await.unwrap()
}

fn owner() -> PrincipalName {
    PrincipalName::owner()
}

fn new_provider(kind: ProviderKind, url: &str) -> AddProvider {
    AddProvider {
        kind,
        name: None,
        base_url: url.to_owned(),
        key: None,
        default_model: None,
    }
}

async fn add(house: &House, kind: ProviderKind, url: &str) -> ProviderDetails {
    let (add, by) = (new_provider(kind, url), person());
    house.orchestrator.add_provider(add, &by).await.unwrap()
}

fn kind_of<T>(result: Result<T, Error>) -> (ModelErrorKind, String) {
    match result {
        Err(Error::Model(err)) => (err.kind, format!("{}; {}", err.message, err.fix)),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it went well"),
    }
}

#[tokio::test]
async fn a_chat_asks_the_first_provider_that_answers_unless_a_person_has_chosen() {
    let (house, one, two) = (house().await, scripted().await, scripted().await);
    let (orchestrator, by) = (&house.orchestrator, person());
    let (kind, text) = kind_of(orchestrator.model_for(None, None, &owner()).await);
    assert_eq!(kind, ModelErrorKind::ModelMissing);
    assert!(text.contains("archestra providers add"), "{text}");

    let first = add(&house, ProviderKind::OpenAi, &one.url).await;
    let second = add(&house, ProviderKind::Ollama, &two.url).await;
    let chosen = orchestrator.model_for(None, None, &owner()).await.unwrap();
    assert_eq!((chosen.provider, chosen.name.as_str()), (first.id, DEMO));
    assert_eq!(chosen.model.provider(), chosen.provider_name);
    let chosen = orchestrator
        .model_for(Some(second.id), None, &owner())
        .await;
    let chosen = chosen.unwrap();
    assert_eq!((chosen.provider, chosen.name.as_str()), (second.id, DEMO));
    assert_eq!(chosen.info.unwrap().tools, Some(true));

    let default = ModelDefault {
        provider: second.id,
        model: "mine".to_owned(),
    };
    let set = orchestrator.set_default_model(Some(default.clone()), &by);
    set.await.unwrap();
    let chosen = orchestrator.model_for(None, None, &owner()).await.unwrap();
    assert_eq!((chosen.provider, chosen.name.as_str()), (second.id, "mine"));
    assert!(chosen.info.is_none(), "the provider does not have it");
    // A model by its name alone is asked where the default is, if it is there.
    let chosen = orchestrator.model_for(None, Some(DEMO), &owner()).await;
    assert_eq!(chosen.unwrap().provider, second.id);
    let (kind, _) = kind_of(
        orchestrator
            .model_for(None, Some("no-such"), &owner())
            .await,
    );
    assert_eq!(kind, ModelErrorKind::ModelMissing);

    // What is chosen and not there is said, and nobody else is asked instead.
    let off = ProviderChange {
        enabled: Some(false),
        ..ProviderChange::default()
    };
    let changed = orchestrator.change_provider(second.id, off, &by);
    changed.await.unwrap();
    let (kind, text) = kind_of(orchestrator.model_for(None, None, &owner()).await);
    assert_eq!(kind, ModelErrorKind::ModelMissing);
    assert!(text.contains("switched off"), "{text}");
    house.end().await;
}
