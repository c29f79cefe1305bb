//! The MCP server that is built in: memory and the choice of tools, as tools.
//!
//! ```text
//! Gateway::call ──> upstream ──pipe──> rmcp ──> Handler ──> the same use cases as the API's
//!                      `_meta["archestra/caller"]`, put there by the gateway
//! ```
//!
//! To the gateway it is a server like any other: it is in the table, its tools are pinned and decided
//! on, its calls are in the audit. It runs in the program itself, and one conversation serves all:
//! who calls is in each call.
//!
//! What it says of itself is known without a conversation, from the same definitions that it would
//! tell, so it takes nothing of a start. Its tools come with the program, not from outside: they are
//! taken for looked at and allowed until a person sets otherwise, and an upgrade that changes them is
//! followed.
//!
//! **Invariant:** nothing here decides who may what. A tool does what its caller could do by the API.

mod answers;
mod definitions;
mod handler;
mod pipe;

use std::{sync::Arc, time::Duration};

use domain::{Effect, Isolation, PrincipalName, ServerId, ServerSlug, ToolChanges};
use gateway::{Connection, ServerLists, ServerPins, ServerView};
use rmcp::transport::async_rw::AsyncRwTransport;
use store::{ApprovedTool, AuditEvent, PinInfo, PinsPut};

use crate::{
    Error, Orchestrator, Shared,
    pins::{self, PinPlan},
};

/// What is on its way through the pipe, in bytes.
const PIPE_BYTES: usize = 64 << 10;
const START_TIMEOUT: Duration = Duration::from_secs(10);
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
const CALLS_MAX: usize = 256;

/// Puts the server into the gateway's table. `pinned` is what is pinned of its tools; where this
/// version of the program has others, they are pinned in their place.
pub(crate) async fn begin(shared: &Arc<Shared>, pinned: Vec<PinInfo>) -> Result<(), Error> {
    let lists = definitions::lists();
    let pins = keep_pins(shared, &lists, pinned).await?;
    shared.gateway().put_server(ServerView {
        id: ServerId::built_in(),
        slug: ServerSlug::built_in(),
        generation: 0,
        isolation: Isolation::Shared,
        start_timeout: START_TIMEOUT,
        call_timeout: CALL_TIMEOUT,
        calls_max: CALLS_MAX,
        keep_warm: false,
        lists: Some(lists),
        pins: Some(pins),
    });
    Ok(())
}

async fn keep_pins(
    shared: &Arc<Shared>,
    lists: &ServerLists,
    pinned: Vec<PinInfo>,
) -> Result<Arc<ServerPins>, Error> {
    let follow = ToolChanges::Follow;
    let plan = pins::plan_pins(follow, &pinned, &pins::told(lists));
    let PinPlan::Follow { approved, removed } = plan else {
        return Ok(pins::server_pins(follow, pinned));
    };
    let names: Vec<&str> = approved.iter().map(|it| it.tool.as_str()).collect();
    let kind = match pinned.is_empty() {
        true => "tools.pin",
        false => "tools.follow",
    };
    let audit = AuditEvent {
        server: Some(ServerId::built_in()),
        server_slug: Some(ServerSlug::built_in().to_string()),
        detail: Some(serde_json::json!({ "tools": names, "removed": removed })),
        ..AuditEvent::new(shared.now(), kind)
    };
    let approved = approved.into_iter().map(|it| ApprovedTool {
        // What a person has set stays.
        setting: it.setting.or(Some(Effect::Allow)),
        looked_by: it.expected.is_none().then(PrincipalName::owner),
        ..it
    });
    let id = ServerId::built_in();
    let put = shared
        .store
        .approve_tools(id, approved.collect(), removed, &audit)
        .await;
    match put.map_err(Error::of_store)? {
        PinsPut::Done { closed } => shared.approvals.close(shared, &closed).await,
        // Another program on this database has been quicker; what differs is kept away.
        PinsPut::Stale { .. } | PinsPut::NoServer => {
            tracing::warn!("Tools of the built-in server not pinned");
        }
    }
    pins::pins_of(shared, id, follow).await
}

/// Opens the conversation with the server, and serves it until it ends.
pub(crate) fn connect(shared: &Arc<Shared>) -> Connection {
    let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
    let handler = handler::Handler::new(Orchestrator {
        shared: shared.clone(),
    });
    let (read, write) = tokio::io::split(theirs);
    // How long a message may be was decided where it came in: what does not arrive is not answered.
    let transport = AsyncRwTransport::new_server(read, write).with_max_line_length(usize::MAX);
    let over = shared.shutdown.child_token();
    shared.tasks.spawn(async move {
        let served = Box::pin(rmcp::service::serve_server_with_ct(
            handler, transport, over,
        ));
        let ended = match served.await {
            Ok(running) => running.waiting().await.err().map(|err| err.to_string()),
            Err(err) => Some(err.to_string()),
        };
        if let Some(reason) = ended {
            tracing::debug!(
                reason,
                "The conversation with the built-in server has ended"
            );
        }
    });
    let (source, sink) = pipe::halves(ours);
    let (outbox, inbox) = mcp::transport::lines(Box::new(source), Box::new(sink));
    Connection {
        outbox,
        inbox,
        lease: Box::new(()),
    }
}
