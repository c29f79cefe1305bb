use std::{io::Read as _, io::Write as _, sync::Arc, time::Duration};

use agent::{
    ClientSettings, Conversation, Message, Model as _, ModelError, ModelErrorKind, ModelEvent,
    ModelOptions, ModelRequest, ProviderKind, UserPart,
};
use expect_test::{Expect, expect};
use futures_util::StreamExt as _;
use tokio::net::TcpListener;

use crate::server::{Step, TestServer, client, head, ok, open_ended, respond};

const HELLO: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n";
const STOP: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";

fn request() -> ModelRequest {
    let messages = vec![Message::User {
        parts: vec![UserPart::Text("hi".to_owned())],
    }];
    ModelRequest {
        conversation: Arc::new(Conversation {
            system: String::new(),
            messages,
        }),
        tools: Vec::new(),
        options: ModelOptions::default(),
    }
}

/// Reads an answer to its end: the text that came, and why it ended if not well.
async fn read(client: &agent::ModelClient) -> (String, Result<(), ModelError>) {
    let mut stream = match client.model("m").stream(request()).await {
        Ok(stream) => stream,
        Err(error) => return (String::new(), Err(error)),
    };
    let mut text = String::new();
    while let Some(event) = stream.next().await {
        match event {
            Ok(ModelEvent::Text { text: it }) => text.push_str(&it),
            Ok(ModelEvent::Notice { text: it, .. }) => text.push_str(&format!("({it})")),
            Ok(ModelEvent::Finished { .. }) => return (text, Ok(())),
            Ok(_) => {}
            Err(error) => return (text, Err(error)),
        }
    }
    panic!("the stream ended without saying so, after `{text}`");
}

async fn failure(client: &agent::ModelClient) -> ModelError {
    read(client).await.1.unwrap_err()
}

/// Checks what a person gets to see of an answer that is none.
async fn check(answer: Vec<Step>, expected: Expect) {
    let server = TestServer::new(move |_| answer.clone()).await;
    let error = failure(&server.client(ProviderKind::OpenAi)).await;
    let details = error.details.unwrap_or_default();
    let text = format!(
        "{:?} {:?}\n{}\n{}\n{details}",
        error.kind, error.retry_after_ms, error.message, error.fix
    );
    expected.assert_eq(&text.replace(&server.address.to_string(), "ADDRESS"));
}

#[tokio::test]
async fn an_answer_is_read_as_it_comes() {
    let server = TestServer::new(|_| open_ended(&[&HELLO[..20], &HELLO[20..], STOP, DONE])).await;
    let (text, end) = read(&server.client(ProviderKind::OpenAi)).await;
    assert_eq!((text.as_str(), end), ("Hello", Ok(())));
    let request = server.requests().remove(0).to_lowercase();
    assert!(
        request.starts_with("post /v1/chat/completions "),
        "{request}"
    );
    assert!(
        request.contains("authorization: bearer sk-secret\r\n"),
        "{request}"
    );
    assert!(
        request.contains("content-type: application/json\r\n"),
        "{request}"
    );
    assert!(request.contains(r#""model":"m""#), "{request}");
}

#[tokio::test]
async fn each_refusal_is_told_apart() {
    check(
        respond(
            "429 Too Many Requests",
            "Retry-After: 20\r\n",
            r#"{"error":{"message":"slow down"}}"#,
        ),
        expect![[r#"
            RateLimit Some(20000)
            `home` takes no more requests for now, for 20 s
            try again in 20 s
            slow down"#]],
    )
    .await;
    check(
        respond(
            "401 Unauthorized",
            "",
            r#"{"error":{"message":"Incorrect API key provided: sk-secret"}}"#,
        ),
        expect![[r#"
            Key None
            `home` does not accept the key
            give it another key in the settings of the provider
            Incorrect API key provided: [redacted]"#]],
    )
    .await;
    check(
        respond(
            "404 Not Found",
            "",
            r#"{"error":{"message":"The model `m` does not exist","code":"model_not_found"}}"#,
        ),
        expect![[r#"
            ModelMissing None
            `home` has no model `m`
            download `m` there, or choose another model
            The model `m` does not exist (model_not_found)"#]],
    )
    .await;
    check(
        respond("404 Not Found", "", "not here"),
        expect![[r#"
        Other None
        `home` has no models at `http://ADDRESS/v1/`
        correct the address in the settings of the provider
        not here"#]],
    )
    .await;
    check(
        respond(
            "400 Bad Request",
            "",
            r#"{"error":{"message":"too long","code":"context_length_exceeded"}}"#,
        ),
        expect![[r#"
            ContextTooLong None
            the conversation is longer than `m` can read
            disable tools that this chat does not need, or begin a new chat
            too long (context_length_exceeded)"#]],
    )
    .await;
    check(
        ok("<html>hello</html>"),
        expect![[r#"
        Malformed None
        `home` sent no answer of a model
        check that the address is that of a model provider and of the kind that was chosen
        <html>hello</html>
    "#]],
    )
    .await;
}

#[tokio::test]
async fn an_answer_that_is_cut_keeps_what_came() {
    let server = TestServer::new(|_| open_ended(&[HELLO])).await;
    let (text, end) = read(&server.client(ProviderKind::OpenAi)).await;
    assert_eq!(text, "Hello");
    assert_eq!(end.unwrap_err().kind, ModelErrorKind::Malformed);

    let cut = vec![
        head("200 OK", "Content-Length: 5000\r\n"),
        Step::Send(HELLO.as_bytes().to_vec()),
    ];
    let server = TestServer::new(move |_| cut.clone()).await;
    let (text, end) = read(&server.client(ProviderKind::OpenAi)).await;
    assert_eq!(text, "Hello");
    expect!["the connection to `home` broke in the middle of the answer"]
        .assert_eq(&end.unwrap_err().message);
}

#[tokio::test]
async fn silence_has_a_bound() {
    let no_head = |it: &mut ClientSettings| it.head_timeout = Duration::from_millis(50);
    let server = TestServer::new(|_| vec![Step::Stall]).await;
    let error = failure(&server.client_with(ProviderKind::OpenAi, no_head)).await;
    assert_eq!(error.kind, ModelErrorKind::Silent);

    // What comes before the silence has to have the time for it on a busy machine.
    let short = |it: &mut ClientSettings| it.idle_timeout = Duration::from_secs(1);
    let stalls = |pieces: &[&str]| {
        let mut steps = open_ended(pieces);
        steps.push(Step::Stall);
        steps
    };
    let steps = stalls(&[HELLO]);
    let server = TestServer::new(move |_| steps.clone()).await;
    let (text, end) = read(&server.client_with(ProviderKind::OpenAi, short)).await;
    assert_eq!(text, "Hello");
    assert_eq!(end.unwrap_err().kind, ModelErrorKind::Silent);

    // One that has said why it stops has stopped.
    let steps = stalls(&[HELLO, STOP]);
    let server = TestServer::new(move |_| steps.clone()).await;
    let (text, end) = read(&server.client_with(ProviderKind::OpenAi, short)).await;
    assert_eq!((text.as_str(), end), ("Hello", Ok(())));
}

#[tokio::test]
async fn who_stops_reading_ends_the_request() {
    let mut steps = open_ended(&[HELLO]);
    steps.push(Step::Stall);
    let mut server = TestServer::new(move |_| steps.clone()).await;
    let client = server.client(ProviderKind::OpenAi);
    let mut stream = client.model("m").stream(request()).await.unwrap();
    stream.next().await.unwrap().unwrap();
    drop(stream);
    server.a_client_is_gone().await;
}

#[tokio::test]
async fn an_answer_has_a_bound() {
    let steps = open_ended(&[HELLO; 100]);
    let server = TestServer::new(move |_| steps.clone()).await;
    let small = |it: &mut ClientSettings| it.answer_bytes_max = 1_000;
    let error = failure(&server.client_with(ProviderKind::OpenAi, small)).await;
    assert_eq!(error.kind, ModelErrorKind::Limit);
}

#[tokio::test]
async fn a_server_that_refuses_stream_options_is_asked_without() {
    let server = TestServer::new(|request| {
        if request.contains("stream_options") {
            let body = r#"{"detail":"Extra inputs are not permitted: stream_options"}"#;
            respond("422 Unprocessable Content", "", body)
        } else {
            open_ended(&[HELLO, STOP, DONE])
        }
    })
    .await;
    let (text, end) = read(&server.client(ProviderKind::OpenAi)).await;
    assert_eq!((text.as_str(), end), ("Hello", Ok(())));
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn nothing_there_is_said_with_what_to_do() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let client = client(
        ProviderKind::OpenAi,
        &format!("http://{address}"),
        ClientSettings::default(),
    );
    let error = failure(&client).await;
    assert_eq!(error.kind, ModelErrorKind::Unreachable);
    assert!(
        error.message.ends_with("nothing listens there"),
        "{}",
        error.message
    );
    assert_eq!(
        error.fix,
        "start `home`, or correct its address in the settings"
    );
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts_is_said() {
    let address = tls_server();
    let client = client(
        ProviderKind::OpenAi,
        &format!("https://{address}"),
        ClientSettings::default(),
    );
    let error = failure(&client).await;
    assert_eq!(error.kind, ModelErrorKind::Certificate, "{error:?}");
}

#[tokio::test]
async fn a_server_without_tls_is_said() {
    // What comes in place of a handshake is plain text.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let plain = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 5]).unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .unwrap();
    });
    let address = format!("https://{plain}");
    let client = client(ProviderKind::OpenAi, &address, ClientSettings::default());
    let error = failure(&client).await;
    assert_eq!(error.kind, ModelErrorKind::Unreachable);
    assert_eq!(
        error.fix,
        "write `http://` in place of `https://` in its address"
    );
    thread.join().unwrap();
}

/// A server with a certificate of its own making. It ends after one connection.
fn tls_server() -> std::net::SocketAddr {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

    let _first = rustls::crypto::ring::default_provider().install_default();
    let certificate = CertificateDer::from(include_bytes!("self_signed.der").to_vec());
    let key = PrivatePkcs8KeyDer::from(include_bytes!("self_signed.key.der").to_vec());
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivateKeyDer::from(key))
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut tls = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        // The client turns away in the middle of it.
        let _result = tls.complete_io(&mut stream);
    });
    address
}

#[tokio::test]
async fn ollama_is_asked_for_the_context_that_it_needs() {
    let server = TestServer::new(|request| {
        if request.starts_with("POST /api/show ") {
            ok(r#"{"capabilities":["completion"],"model_info":{"x.context_length":4096}}"#)
        } else {
            open_ended(&[
                "{\"message\":{\"content\":\"Hel\"},\"done\":false}\n{\"message\":{\"con",
                "tent\":\"lo\"},\"done\":true,\"done_reason\":\"stop\"}\n",
            ])
        }
    })
    .await;
    let client = server.client(ProviderKind::Ollama);
    let model = client.model("m");
    for _ in 0..2 {
        let mut stream = model.stream(request()).await.unwrap();
        while let Some(event) = stream.next().await {
            event.unwrap();
        }
    }
    let requests = server.requests();
    let chats: Vec<_> = requests
        .iter()
        .filter(|it| it.starts_with("POST /api/chat "))
        .collect();
    assert_eq!((requests.len(), chats.len()), (3, 2), "it is shown once");
    assert!(chats[0].contains(r#""num_ctx":4096"#), "{}", chats[0]);
}

#[tokio::test]
async fn a_model_that_ollama_has_not_is_said() {
    let server =
        TestServer::new(|_| respond("404 Not Found", "", r#"{"error":"model 'm' not found"}"#))
            .await;
    let error = failure(&server.client(ProviderKind::Ollama)).await;
    assert_eq!(error.kind, ModelErrorKind::ModelMissing);
    assert_eq!(error.fix, "download `m` there, or choose another model");
}
