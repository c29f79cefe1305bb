//! The one way to call a tool.

use std::sync::Arc;

use domain::{Caller, ServerSlug};
use mcp::Object;
use serde_json::value::RawValue;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    CallEnd, CallError, CallRecord, Gateway, Shared,
    policy::{Decision, decide},
    pool,
    session::Route,
    table::Entry,
    upstream::Request,
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
    pub(crate) target: CallTarget<'a>,
    /// The parameters of `tools/call`; the name in them is replaced by the server's own.
    pub(crate) params: Object<'a>,
    pub(crate) route: Option<Route>,
    pub(crate) cancel: Option<&'a CancellationToken>,
}

impl Gateway {
    /// Calls a tool on behalf of a person, who sees the result and no progress.
    pub async fn call(
        &self,
        caller: &Caller,
        target: CallTarget<'_>,
        arguments: Option<Box<RawValue>>,
    ) -> Result<CallOutcome, CallError> {
        let mut params = Object::default();
        params.set("arguments", arguments.unwrap_or_else(crate::empty_object));
        let call = Call {
            caller,
            target,
            params,
            route: None,
            cancel: None,
        };
        let result = call_tool(&self.shared, call).await?;
        let is_error = says_error(&result);
        Ok(CallOutcome { result, is_error })
    }
}

/// Decides, writes down, calls, and writes down how it ended.
pub(crate) async fn call_tool(
    shared: &Arc<Shared>,
    mut call: Call<'_>,
) -> Result<Box<RawValue>, CallError> {
    let table = shared.table.load_full();
    let (entry, name, is_read_only) = match call.target {
        CallTarget::Advertised(advertised) => table
            .tool(advertised)
            .map(|(entry, tool)| (entry, tool.name.clone(), tool.is_read_only)),
        CallTarget::Own { server, tool } => table.server(server).and_then(|entry| {
            let known = entry.tool(tool)?;
            Some((entry, known.name.clone(), known.is_read_only))
        }),
    }
    .ok_or_else(|| unknown_tool(call.target))?;
    call.params.set_text("name", &name);
    let params = call.params.to_raw();
    let mut record = CallRecord {
        principal: call.caller.principal.clone(),
        token: call.caller.token,
        server: entry.view.id,
        slug: entry.view.slug.clone(),
        tool: name,
        decision: "allowed".to_owned(),
        request_bytes: params.get().len() as u64,
    };
    let began = Instant::now();
    let result = match decide(call.caller, &entry.view.slug, &record.tool) {
        Decision::Deny { reason } => {
            record.decision = "denied".to_owned();
            Err(CallError::Denied { reason })
        }
        Decision::Allow => {
            if !is_read_only {
                let written = shared.records.before_call(&record).await;
                written.map_err(|reason| CallError::NotRecorded { reason })?;
            }
            forward(shared, entry, &call, &params).await
        }
    };
    let (outcome, response_bytes) = match &result {
        Ok(result) if says_error(result) => ("tool_error", result.get().len()),
        Ok(result) => ("ok", result.get().len()),
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

async fn forward(
    shared: &Arc<Shared>,
    entry: &Arc<Entry>,
    call: &Call<'_>,
    params: &RawValue,
) -> Result<Box<RawValue>, CallError> {
    request(
        shared,
        entry,
        call.caller,
        &Forward {
            method: "tools/call",
            params: Some(params),
            route: call.route.clone(),
            cancel: call.cancel,
        },
    )
    .await
}

/// A request to be passed on to a server.
pub(crate) struct Forward<'a> {
    pub(crate) method: &'a str,
    pub(crate) params: Option<&'a RawValue>,
    pub(crate) route: Option<Route>,
    pub(crate) cancel: Option<&'a CancellationToken>,
}

/// Passes a request on to a server, which is started if it does not run. A request that has not
/// reached the server is made once more; one that may have is never repeated.
pub(crate) async fn request(
    shared: &Arc<Shared>,
    entry: &Arc<Entry>,
    caller: &Caller,
    forward: &Forward<'_>,
) -> Result<Box<RawValue>, CallError> {
    let isolation = entry.isolation_key(&caller.principal);
    let never = CancellationToken::new();
    let cancel = forward.cancel.unwrap_or(&never);
    let mut was_repeated = false;
    loop {
        let upstream = tokio::select! {
            () = cancel.cancelled() => return Err(CallError::Cancelled),
            upstream = pool::get(shared, entry, &isolation) => upstream?,
        };
        let request = upstream.request(Request {
            method: forward.method,
            params: forward.params,
            route: forward.route.clone(),
            timeout: entry.view.call_timeout,
            cancel: forward.cancel,
        });
        let limit = shared.settings.call_duration_max;
        let answer = tokio::time::timeout(limit, request).await;
        let answer = answer.unwrap_or_else(|_elapsed| {
            Err(CallError::Timeout {
                server: entry.view.slug.clone(),
                limit,
                name: "call_duration_max",
            })
        });
        match answer {
            Err(CallError::NotReached { .. }) if !was_repeated => was_repeated = true,
            Err(err) => return Err(err),
            Ok(Ok(result)) => return Ok(result),
            Ok(Err(error)) => return Err(CallError::Server { error }),
        }
    }
}

fn unknown_tool(target: CallTarget<'_>) -> CallError {
    CallError::Unknown {
        what: match target {
            CallTarget::Advertised(name) => format!("there is no tool `{name}`"),
            CallTarget::Own { server, tool } => {
                format!("there is no tool `{tool}` of a server `{server}`")
            }
        },
    }
}

fn says_error(result: &RawValue) -> bool {
    if !result.get().contains("isError") {
        return false;
    }
    let object = Object::parse(result).ok();
    object.and_then(|it| it.read("isError")).unwrap_or(false)
}
