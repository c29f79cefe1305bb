//! The one way to call a tool.

use std::sync::Arc;

use domain::{Caller, ServerSlug};
use mcp::Object;
use serde_json::value::RawValue;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    CallEnd, CallError, CallRecord, Gateway, Shared,
    policy::{Decision, decide, may_use},
    pool,
    table::{Entry, Table},
    upstream::{Origin, Request},
};

/// Which tool is meant.
#[derive(Debug, Clone, Copy)]
pub enum CallTarget<'a> {
    /// By the name that `/mcp` advertises.
    Advertised(&'a str),
    /// By the server's own name for it.
    Own {
        server: &'a ServerSlug,
        tool: &'a str,
    },
}

/// What a tool answered.
#[derive(Debug, Clone)]
pub struct CallOutcome {
    /// The result as the server sent it.
    pub result: Box<RawValue>,
    /// Whether the tool says that it failed.
    pub is_error: bool,
}

/// A call on its way.
pub(crate) struct Call<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) tool: Tool,
    /// The parameters of `tools/call`; the name in them is replaced by the server's own.
    pub(crate) params: Object<'a>,
    pub(crate) origin: Origin,
    pub(crate) cancel: &'a CancellationToken,
}

/// A tool that there is.
pub(crate) struct Tool {
    entry: Arc<Entry>,
    name: String,
    is_read_only: bool,
    /// What a caller is told who may not know that the server exists.
    hidden: Option<String>,
}

impl Gateway {
    /// Calls a tool on behalf of a person, who sees the result and no progress.
    ///
    /// Cancel safe: when the future is dropped the call is cancelled, and written down as such.
    pub async fn call(
        &self,
        caller: &Caller,
        target: CallTarget<'_>,
        arguments: Option<Box<RawValue>>,
    ) -> Result<CallOutcome, CallError> {
        let tool = Tool::find(&self.shared.table.load(), caller, target)?;
        let (shared, caller) = (self.shared.clone(), caller.clone());
        let cancel = CancellationToken::new();
        let _cancelled_with_this = cancel.clone().drop_guard();
        // On a task of its own, so that its end is written down whatever becomes of this future.
        let call = self.shared.tasks.spawn(async move {
            let mut params = Object::default();
            params.set("arguments", arguments.unwrap_or_else(crate::empty_object));
            let call = Call {
                caller: &caller,
                tool,
                params,
                origin: Origin::Person,
                cancel: &cancel,
            };
            call_tool(&shared, call).await
        });
        call.await.unwrap_or(Err(CallError::Cancelled))
    }
}

impl Tool {
    pub(crate) fn find(
        table: &Table,
        caller: &Caller,
        target: CallTarget<'_>,
    ) -> Result<Self, CallError> {
        let found = match target {
            CallTarget::Advertised(advertised) => table.tool(advertised),
            CallTarget::Own { server, tool } => table
                .server(server)
                .and_then(|entry| Some((entry, entry.tool(tool)?))),
        };
        let unknown = || match target {
            CallTarget::Advertised(name) => format!("there is no tool `{name}`"),
            CallTarget::Own { server, tool } => {
                format!("there is no tool `{tool}` of a server `{server}`")
            }
        };
        let (entry, tool) = found.ok_or_else(|| CallError::Unknown { what: unknown() })?;
        let is_hidden = !may_use(&caller.access, &entry.view.slug);
        Ok(Self {
            hidden: is_hidden.then(unknown),
            entry: entry.clone(),
            name: tool.name.clone(),
            is_read_only: tool.is_read_only,
        })
    }
}

/// Decides, writes down, calls, and writes down how it ended.
pub(crate) async fn call_tool(
    shared: &Arc<Shared>,
    mut call: Call<'_>,
) -> Result<CallOutcome, CallError> {
    let Tool {
        entry,
        name,
        is_read_only,
        hidden,
    } = call.tool;
    let slug = &entry.view.slug;
    let decision = decide(call.caller, slug, &name);
    call.params.set_text("name", &name);
    let mut record = CallRecord {
        principal: call.caller.principal.clone(),
        token: call.caller.token,
        server: entry.view.id,
        slug: slug.clone(),
        tool: name,
        decision: "allowed".to_owned(),
        request_bytes: call.params.text_len() as u64,
    };
    let began = Instant::now();
    let result = match decision {
        Decision::Deny { reason } => {
            record.decision = "denied".to_owned();
            Err(match hidden {
                None => CallError::Denied { reason },
                Some(what) => CallError::Unknown { what },
            })
        }
        Decision::Allow => {
            if !is_read_only {
                let written = shared.records.before_call(&record).await;
                written.map_err(|reason| CallError::NotRecorded { reason })?;
            }
            let forward = Forward {
                method: "tools/call",
                params: Some(&call.params),
                origin: call.origin,
                cancel: call.cancel,
            };
            request(shared, &entry, call.caller, &forward).await
        }
    };
    let result = result.map(|result| CallOutcome {
        is_error: says_error(&result),
        result,
    });
    let (outcome, response_bytes) = match &result {
        Ok(outcome) if outcome.is_error => ("tool_error", outcome.result.get().len()),
        Ok(outcome) => ("ok", outcome.result.get().len()),
        Err(err) => (err.outcome(), 0),
    };
    let end = CallEnd {
        outcome: outcome.to_owned(),
        duration_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        response_bytes: response_bytes as u64,
    };
    shared.records.after_call(record, end).await;
    result
}

/// A request to be passed on to a server.
pub(crate) struct Forward<'a> {
    pub(crate) method: &'a str,
    pub(crate) params: Option<&'a Object<'a>>,
    pub(crate) origin: Origin,
    pub(crate) cancel: &'a CancellationToken,
}

/// Passes a request on to a server, which is started if it does not run. A request that has not
/// reached the server is made once more; one that may have is never repeated.
pub(crate) async fn request(
    shared: &Arc<Shared>,
    entry: &Arc<Entry>,
    caller: &Caller,
    forward: &Forward<'_>,
) -> Result<Box<RawValue>, CallError> {
    let mut was_repeated = false;
    loop {
        match request_once(shared, entry, caller, forward).await {
            Err(CallError::NotReached { .. }) if !was_repeated => was_repeated = true,
            answer => return answer,
        }
    }
}

async fn request_once(
    shared: &Arc<Shared>,
    entry: &Arc<Entry>,
    caller: &Caller,
    forward: &Forward<'_>,
) -> Result<Box<RawValue>, CallError> {
    let (entry, upstream) = tokio::select! {
        biased;
        () = forward.cancel.cancelled() => return Err(CallError::Cancelled),
        found = pool::get(shared, entry, &caller.principal) => found?,
    };
    let request = upstream.request(Request {
        method: forward.method,
        params: forward.params,
        origin: forward.origin.clone(),
        timeout: entry.view.call_timeout,
        cancel: Some(forward.cancel),
    });
    let limit = shared.settings.call_duration_max;
    match tokio::time::timeout(limit, request).await {
        Ok(Ok(Ok(result))) => Ok(result),
        Ok(Ok(Err(error))) => Err(CallError::Server { error }),
        Ok(Err(err)) => Err(err),
        Err(_elapsed) => Err(CallError::Timeout {
            server: entry.view.slug.clone(),
            limit,
            name: "call_duration_max",
        }),
    }
}

fn says_error(result: &RawValue) -> bool {
    if !result.get().contains("isError") {
        return false;
    }
    let object = Object::parse(result).ok();
    object.and_then(|it| it.read("isError")).unwrap_or(false)
}
