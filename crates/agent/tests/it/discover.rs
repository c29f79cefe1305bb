use std::time::Duration;

use agent::{Candidate, ModelErrorKind, ProviderKind, base_url, candidates, discover};
use tokio::net::TcpListener;

use crate::server::{Step, TestServer, http, ok};

fn candidate(name: &str, kind: ProviderKind, address: std::net::SocketAddr) -> Candidate {
    Candidate {
        name: name.to_owned(),
        kind,
        base_url: base_url(kind, &format!("http://{address}")).unwrap(),
    }
}

fn ollama(request: &str) -> Vec<Step> {
    if request.starts_with("GET /api/tags ") {
        ok(r#"{"models":[{"model":"b"},{"model":"a"}]}"#)
    } else {
        ok(r#"{"capabilities":["completion","tools"],"model_info":{"x.context_length":9}}"#)
    }
}

#[tokio::test]
async fn model_servers_on_this_machine_are_found_and_nothing_else() {
    let lm_studio = TestServer::new(|_| ok(r#"{"object":"list","data":[{"id":"m"}]}"#)).await;
    let ollama = TestServer::new(ollama).await;
    let other = TestServer::new(|_| ok("<html>a page</html>")).await;
    let hung = TestServer::new(|_| vec![Step::Stall]).await;
    let nobody = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let list = vec![
        candidate("nobody", ProviderKind::OpenAi, nobody),
        candidate("LM Studio", ProviderKind::OpenAi, lm_studio.address),
        candidate("other", ProviderKind::OpenAi, other.address),
        candidate("other", ProviderKind::Ollama, other.address),
        candidate("hung", ProviderKind::OpenAi, hung.address),
        candidate("Ollama", ProviderKind::Ollama, ollama.address),
    ];
    let found = discover(&http(), list, Duration::from_secs(2)).await;
    let names: Vec<_> = found.iter().map(|it| it.candidate.name.as_str()).collect();
    assert_eq!(names, ["LM Studio", "Ollama"]);
    let models = &found[1].models;
    assert_eq!(
        (models[0].name.as_str(), models[0].tools),
        ("a", Some(true))
    );
    assert_eq!(models[0].context_tokens, Some(9));
    assert!(
        !lm_studio.requests()[0]
            .to_lowercase()
            .contains("authorization")
    );
}

#[test]
fn the_usual_servers_are_known() {
    let addresses: Vec<String> = candidates()
        .iter()
        .map(|it| it.base_url.to_string())
        .collect();
    assert_eq!(addresses.len(), 5);
    assert!(addresses.contains(&"http://127.0.0.1:11434/".to_owned()));
    assert!(addresses.contains(&"http://127.0.0.1:1234/v1/".to_owned()));
}

#[tokio::test]
async fn a_test_tells_what_is_there() {
    let server = TestServer::new(|_| ok(r#"{"data":[{"id":"b"},{"id":"a"},{"id":"a"}]}"#)).await;
    let report = server.client(ProviderKind::OpenAi).test().await.unwrap();
    let names: Vec<_> = report.models.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);

    let server = TestServer::new(|_| ok(r#"{"data":[]}"#)).await;
    let error = server
        .client(ProviderKind::OpenAi)
        .test()
        .await
        .unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::ModelMissing);

    let server = TestServer::new(|_| ok(r#"{"hello":"world"}"#)).await;
    let error = server
        .client(ProviderKind::OpenAi)
        .test()
        .await
        .unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::Malformed);

    let long = format!(r#"{{"data":["{}"]}}"#, "x".repeat(1_000));
    let server = TestServer::new(move |_| ok(&long)).await;
    let small = |it: &mut agent::ClientSettings| it.list_bytes_max = 500;
    let error = server
        .client_with(ProviderKind::OpenAi, small)
        .test()
        .await
        .unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::Limit);
}
