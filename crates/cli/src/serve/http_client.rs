//! The client for servers elsewhere.

use std::{path::Path, sync::Arc, time::Duration};

use reqwest::redirect::Policy;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const REDIRECTS_MAX: usize = 5;

/// Makes the client, which takes milliseconds: certificates are read and parsed.
///
/// What cannot be read is logged, and the client works with the rest.
pub(super) fn make(ca_bundle: Option<&Path>) -> reqwest::Client {
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
        .redirect(same_origin())
        .build();
    client.expect("the TLS configuration is complete, and nothing else can fail")
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
