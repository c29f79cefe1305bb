//! The clients for servers and models.

use std::{path::Path, sync::Arc, time::Duration};

use orchestrator::Reach;
use reqwest::redirect::Policy;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const REDIRECTS_MAX: usize = 5;

/// Makes a client, which takes milliseconds where certificates are read and parsed.
///
/// What cannot be read is logged, and the client works with the rest.
pub(super) fn make(ca_bundle: Option<&Path>, reach: Reach) -> reqwest::Client {
    let roots = match reach {
        Reach::Elsewhere | Reach::LoopbackTls => roots(ca_bundle),
        Reach::Loopback => RootCertStore::empty(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has the versions that rustls itself names")
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("archestra/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .redirect(same_origin());
    let client = match reach {
        Reach::Elsewhere => client,
        // Not even where the host sends everything through its proxy.
        Reach::Loopback | Reach::LoopbackTls => client.no_proxy(),
    };
    let client = client.build();
    client.expect("the TLS configuration is complete, and nothing else can fail")
}

fn roots(ca_bundle: Option<&Path>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for err in &native.errors {
        tracing::warn!(
            error = err as &dyn std::error::Error,
            "Certificates of the system are not read"
        );
    }
    roots.add_parsable_certificates(native.certs);
    if let Some(path) = ca_bundle {
        match CertificateDer::pem_file_iter(path) {
            Ok(certs) => {
                roots.add_parsable_certificates(certs.filter_map(Result::ok));
            }
            Err(err) => tracing::warn!(
                error = &err as &dyn std::error::Error,
                path = %path.display(),
                "The bundle of certificates is not read"
            ),
        }
    }
    roots
}

/// A server may move within its own address, and not send what is in a request to another.
fn same_origin() -> Policy {
    Policy::custom(|attempt| {
        let first = attempt.previous().first().map(reqwest::Url::origin);
        if first.is_none_or(|it| it != attempt.url().origin()) {
            attempt.error("it answered with a redirect to another host")
        } else if REDIRECTS_MAX < attempt.previous().len() {
            attempt.error("it answered with too many redirects")
        } else {
            attempt.follow()
        }
    })
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    /// Answers one request with a redirect to `location`, or `ok` where there is none.
    async fn answer(listener: &TcpListener, location: Option<&str>) {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let read = stream.read(&mut request).await.unwrap();
        let request = String::from_utf8_lossy(&request[..read]).into_owned();
        assert!(request.contains("sentinel"), "{request}");
        let head = match location {
            Some(location) => format!("HTTP/1.1 307 Over There\r\nlocation: {location}"),
            None => "HTTP/1.1 200 OK".to_owned(),
        };
        let answer = format!("{head}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_in_a_request_goes_to_no_other_address() {
        let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let second = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = |listener: &TcpListener, path: &str| {
            format!("http://{}{path}", listener.local_addr().unwrap())
        };
        let client = make(None, Reach::Elsewhere);
        let ask = |url: String| client.post(url).header("x-key", "sentinel").send();

        let within = url(&first, "/b");
        let (answered, ()) = tokio::join!(ask(url(&first, "/a")), async {
            answer(&first, Some(&within)).await;
            answer(&first, None).await;
        });
        assert_eq!(answered.unwrap().status(), 200);

        // Another port is another origin.
        let elsewhere = url(&second, "/a");
        let (refused, ()) = tokio::join!(ask(url(&first, "/a")), answer(&first, Some(&elsewhere)));
        assert!(refused.unwrap_err().is_redirect());
        let nobody = tokio::time::timeout(Duration::ZERO, second.accept()).await;
        assert!(nobody.is_err(), "the other address was asked");
    }
}
