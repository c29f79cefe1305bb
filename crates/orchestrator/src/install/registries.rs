//! Whether packages can be fetched: asked from a sandbox like those that fetch them, through the way
//! out, so that what an install would meet is met here.

use std::sync::Arc;

use domain::{InstallId, PackageRef, Registry, ServerId, wire::PROXY_PORT};
use store::{Consent, InstallState, StoredInstall};
use tokio_util::sync::CancellationToken;

use super::{PREPARE, RegistryAddress, UnderWay, builder, npm, pypi, sweep_soon, volume_name};
use crate::Shared;

/// Asks the bridge's proxy for a connection and prints `ok`, or what it says instead.
const ASK: &str = r"
import socket, sys
proxy = socket.create_connection(('127.0.0.1', int(sys.argv[1])), 30)
proxy.settimeout(30)
proxy.sendall(f'CONNECT {sys.argv[2]} HTTP/1.1\r\nHost: {sys.argv[2]}\r\n\r\n'.encode())
text = proxy.recv(4096).decode(errors='replace')
if text.split(' ')[1:2] == ['200']:
    print('ok')
else:
    while piece := proxy.recv(4096):
        text += piece.decode(errors='replace')
    print(text.split('\r\n\r\n', 1)[-1].strip() or text.split('\r\n')[0])
";

/// What is known of one registry.
pub(crate) struct RegistryCheck {
    pub(crate) registry: Registry,
    /// Its address, or why there is none.
    pub(crate) address: Result<String, String>,
    /// What of it cannot be reached, with the reasons.
    pub(crate) unreachable: Vec<String>,
}

/// Tries both registries. An error says why nothing could be tried.
pub(crate) async fn check(shared: &Arc<Shared>) -> Result<Vec<RegistryCheck>, String> {
    let install = nobodys_install(shared);
    // So that no sweep takes its volume.
    let under_way = UnderWay {
        cancel: CancellationToken::new(),
        again: false,
    };
    shared.installer.lock().insert(install.id, under_way);
    let checked = check_in_sandbox(shared, &install).await;
    shared.installer.lock().remove(&install.id);
    shared.directory.set_install_hosts(install.id, [].into());
    // What it was refused is told here.
    let _told = shared.directory.take_refusal(install.id);
    sweep_soon(shared);
    checked
}

async fn check_in_sandbox(
    shared: &Arc<Shared>,
    install: &StoredInstall,
) -> Result<Vec<RegistryCheck>, String> {
    let builder = builder::Builder::new(shared, install);
    builder.make_volume().await?;
    let running = builder.start_fetching(PREPARE).await?;
    let mut checks = Vec::new();
    for registry in [Registry::Npm, Registry::Pypi] {
        let address = match registry {
            Registry::Npm => npm::registry(shared, &running).await,
            Registry::Pypi => pypi::registry(shared, &running).await,
        };
        let mut unreachable = Vec::new();
        if let Ok(RegistryAddress { hosts, .. }) = &address {
            shared
                .directory
                .set_install_hosts(install.id, hosts.clone());
            let port = PROXY_PORT.to_string();
            for host in hosts {
                let said = running
                    .output(&["python3", "-c", ASK, &port, &host.to_string()])
                    .await;
                match said.as_deref().map(str::trim) {
                    Ok("ok") => {}
                    Ok(reason) => unreachable.push(reason.to_owned()),
                    Err(reason) => unreachable.push(reason.clone()),
                }
            }
        }
        checks.push(RegistryCheck {
            registry,
            address: address.map(|it| it.url),
            unreachable,
        });
    }
    Ok(checks)
}

/// An install that is in no store, for the builder's sake.
fn nobodys_install(shared: &Shared) -> StoredInstall {
    let id = InstallId::from_uuid(uuid::Uuid::now_v7());
    StoredInstall {
        id,
        server: ServerId::from_uuid(*id.as_uuid()),
        state: InstallState::Running,
        volume: volume_name(id),
        package: PackageRef {
            registry: Registry::Npm,
            name: "registries".to_owned(),
            version: None,
            command: None,
        },
        resolved_version: None,
        lock_sha256: None,
        integrity: None,
        build_scripts: Vec::new(),
        consent: Consent::None,
        argv: None,
        size_bytes: None,
        failure: None,
        attempt: 1,
        created_at: shared.now(),
        updated_at: shared.now(),
    }
}
