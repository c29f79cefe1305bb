//! Against the scripted model, which speaks both APIs.

use std::time::Duration;

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

#[tokio::test]
async fn the_demo_is_asked_where_what_was_found_has_nothing_and_not_where_something_fails() {
    let (demo, empty) = (scripted().await, EmptyServer::new().await);
    let url = agent::base_url(ProviderKind::OpenAi, &demo.url).unwrap();
    let found = agent::Candidate {
        name: "LM Studio".to_owned(),
        kind: ProviderKind::OpenAi,
        base_url: agent::base_url(ProviderKind::OpenAi, &empty.url).unwrap(),
    };
    let house = House::set(|parts| {
        reach_out(parts);
        parts.settings.demo_model = Some(url);
        parts.settings.model_servers = vec![found];
    });
    let house = house.await;
    let orchestrator = &house.orchestrator;
    let found = orchestrator.discover_providers(&owner()).await.unwrap();
    let names: Vec<_> = found.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["LM Studio", super::DEMO_NAME]);
    let chosen = orchestrator.model_for(None, None, &owner()).await.unwrap();
    assert!(chosen.demo);

    // Who has added one wants to know why it does not answer.
    let gone = scripted().await;
    let off = gone.url.clone();
    gone.stop().await;
    add(&house, ProviderKind::OpenAi, &off).await;
    let (kind, _) = kind_of(orchestrator.model_for(None, None, &owner()).await);
    assert_eq!(kind, ModelErrorKind::Unreachable);
    house.end().await;
}

#[tokio::test]
async fn many_who_want_to_know_ask_once_and_again_when_it_is_old() {
    let (house, one) = (house().await, scripted().await);
    let provider = add(&house, ProviderKind::OpenAi, &one.url).await;
    let asked = || {
        let requests = one.requests();
        requests.iter().filter(|it| it.path == "/v1/models").count()
    };
    let orchestrator = &house.orchestrator;
    let who = owner();
    let ask = |refresh| orchestrator.models(provider.id, refresh, &who);
    let (first, second, third) = tokio::join!(ask(false), ask(false), ask(false));
    assert!(first.is_ok() && second.is_ok() && third.is_ok());
    assert_eq!(asked(), 1);
    ask(true).await.unwrap();
    assert_eq!(asked(), 2);
    house.clock.advance(29_000);
    ask(false).await.unwrap();
    assert_eq!(asked(), 2);
    house.clock.advance(2_000);
    ask(false).await.unwrap();
    assert_eq!(asked(), 3);
    house.end().await;
}

#[tokio::test]
async fn looking_for_servers_ends_however_long_one_of_them_takes() {
    let hung = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", hung.local_addr().unwrap());
    let one = scripted().await;
    let candidate = |kind, url: &str| agent::Candidate {
        name: url.to_owned(),
        kind,
        base_url: agent::base_url(kind, url).unwrap(),
    };
    let house = House::set(|parts| {
        reach_out(parts);
        parts.settings.model_servers_timeout = Duration::from_secs(1);
        parts.settings.model_servers = vec![
            candidate(ProviderKind::OpenAi, &address),
            candidate(ProviderKind::Ollama, &address),
            candidate(ProviderKind::Ollama, &one.url),
        ];
    });
    let house = house.await;
    let who = owner();
    let look = house.orchestrator.discover_providers(&who);
    let found = tokio::time::timeout(Duration::from_secs(20), look).await;
    let found = found.unwrap().unwrap();
    let names: Vec<_> = found.iter().map(|it| it.name.clone()).collect();
    assert_eq!(names.join(" "), one.url);
    house.end().await;
}

/// A server that has no models.
struct EmptyServer {
    url: String,
    _tasks: tokio::task::JoinSet<()>,
}

impl EmptyServer {
    async fn new() -> Self {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let read = stream.read(&mut [0; 4_096]).await.unwrap();
                assert_ne!(read, 0, "it is asked something");
                let answer = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 11\r\n\r\n{\"data\":[]}";
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { url, _tasks: tasks }
    }
}
