//! The one way to call a tool.

use std::sync::Arc;

use domain::{Caller, ServerSlug};
use mcp::{Object, object::raw};
use serde_json::value::RawValue;
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    CallEnd, CallError, CallNews, CallRecord, Gateway, Shared,
    approval::{permit, still_permitted},
    lists,
    policy::may_use,
    pool,
    table::{Entry, Named, Table},
    turn::TurnRoute,
    upstream::{Origin, Request},
};

/// Where in `_meta` the built-in server finds who calls. Nobody else can put it there.
pub const CALLER_META: &str = "archestra/caller";

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
    /// By what rule or permission it was made, as in the audit.
    pub basis: String,
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
    pub(crate) entry: Arc<Entry>,
    /// Where it is among the server's tools.
    // Invariant: there are more.
    index: usize,
    /// By the server's own name for it.
    pub(crate) name: String,
    /// What a caller is told who may not know that the server exists.
    pub(crate) hidden: Option<String>,
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
        let mut params = Object::default();
        params.set("arguments", arguments.unwrap_or_else(crate::empty_object));
        self.call_on_task(caller, target, params, Origin::Person)
            .await
    }

    /// Calls a tool in a model's turn. What the server tells and asks meanwhile goes to `news`; what
    /// it asks is refused where that is full.
    ///
    /// Cancel safe: when the future is dropped the call is cancelled, and written down as such.
    pub async fn call_in_turn(
        &self,
        caller: &Caller,
        target: CallTarget<'_>,
        arguments: Option<Box<RawValue>>,
        news: mpsc::Sender<CallNews>,
    ) -> Result<CallOutcome, CallError> {
        let mut params = Object::default();
        params.set("arguments", arguments.unwrap_or_else(crate::empty_object));
        // The token is replaced by one of ours; that there is one says that progress is wanted.
        params.set("_meta", raw(&serde_json::json!({ "progressToken": 0 })));
        let over = CancellationToken::new();
        let _over_with_this = over.clone().drop_guard();
        let route = TurnRoute {
            chat: caller.chat,
            news,
            over,
        };
        self.call_on_task(caller, target, params, Origin::Turn(route))
            .await
    }

    async fn call_on_task(
        &self,
        caller: &Caller,
        target: CallTarget<'_>,
        params: Object<'static>,
        origin: Origin,
    ) -> Result<CallOutcome, CallError> {
        let tool = Tool::find(&self.shared.table.load(), caller, target)?;
        let (shared, caller) = (self.shared.clone(), caller.clone());
        let cancel = CancellationToken::new();
        let _cancelled_with_this = cancel.clone().drop_guard();
        // On a task of its own, so that its end is written down whatever becomes of this future.
        let call = self.shared.tasks.spawn(async move {
            let call = Call {
                caller: &caller,
                tool,
                params,
                origin,
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
        let (entry, index) = found.ok_or_else(|| CallError::Unknown { what: unknown() })?;
        let is_hidden = !may_use(&caller.access, &entry.view.slug);
        Ok(Self {
            hidden: is_hidden.then(unknown),
            entry: entry.clone(),
            index,
            name: entry.tools[index].name.clone(),
        })
    }

    /// Returns the same tool in a newer table, if the same server still has it.
    pub(crate) fn as_it_is_now(&self, table: &Table) -> Option<Self> {
        let entry = table.server_by_id(self.entry.view.id)?;
        Some(Self {
            entry: entry.clone(),
            index: entry.tool(&self.name)?,
            name: self.name.clone(),
            hidden: self.hidden.clone(),
        })
    }

    pub(crate) fn named(&self) -> &Named {
        &self.entry.tools[self.index]
    }
}

/// Decides, writes down, calls, and writes down how it ended.
pub(crate) async fn call_tool(
    shared: &Arc<Shared>,
    call: Call<'_>,
) -> Result<CallOutcome, CallError> {
    let Call {
        caller,
        tool,
        mut params,
        origin,
        cancel,
    } = call;
    params.set_text("name", &tool.name);
    let request_bytes = params.text_len() as u64;
    let asked_at = Instant::now();
    let (tool, permitted) = permit(shared, caller, tool, &params, &origin, cancel).await;
    let mut record = CallRecord {
        principal: caller.principal.clone(),
        token: caller.token,
        chat: caller.chat,
        server: tool.entry.view.id,
        slug: tool.entry.view.slug.clone(),
        tool: tool.name.clone(),
        pin: tool.named().pin.clone(),
        decision: "allowed",
        basis: None,
        request_bytes,
    };
    let (began, result) = match permitted {
        Err(refused) => {
            record.decision = refused.decision;
            record.basis = refused.basis;
            (asked_at, Err(refused.error))
        }
        Ok(basis) => {
            record.basis = Some(basis.to_text());
            if !tool.named().is_read_only {
                let written = shared.records.before_call(&record).await;
                written.map_err(|reason| CallError::NotRecorded { reason })?;
            }
            let forward = Forward {
                tool: Some(&tool),
                method: "tools/call",
                params: Some(&params),
                origin,
                cancel,
            };
            (
                Instant::now(),
                request(shared, &tool.entry, caller, &forward).await,
            )
        }
    };
    let result = result.map(|result| CallOutcome {
        is_error: says_error(&result),
        result,
        basis: record.basis.clone().unwrap_or_default(),
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

/// Tells the built-in server who calls, in the place of whatever the client says there.
fn with_caller<'a>(params: Option<&Object<'a>>, caller: &Caller) -> Result<Object<'a>, CallError> {
    let mut params = params.cloned().unwrap_or_default();
    let meta: Option<Box<RawValue>> = params.get("_meta").map(ToOwned::to_owned);
    let meta = meta.as_deref().filter(|it| it.get().starts_with('{'));
    let mut meta = Object::parse_or_empty(meta).map_err(|err| CallError::params(&err))?;
    meta.set(CALLER_META, raw(caller));
    let meta = meta.to_raw();
    params.set("_meta", meta);
    Ok(params)
}

/// A request to be passed on to a server.
pub(crate) struct Forward<'a> {
    /// What is called, as it was when it was decided about; `None` for what is no tool.
    pub(crate) tool: Option<&'a Tool>,
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
    let is_built_in = entry.view.slug.is_built_in();
    let with_caller = is_built_in.then(|| with_caller(forward.params, caller));
    let with_caller = with_caller.transpose()?;
    let params = with_caller.as_ref().or(forward.params);
    let mut was_repeated = false;
    loop {
        match request_once(shared, entry, caller, forward, params).await {
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
    params: Option<&Object<'_>>,
) -> Result<Box<RawValue>, CallError> {
    let ready = async {
        let found = pool::get(shared, entry, &caller.principal).await?;
        if let Some(tool) = forward.tool {
            lists::catch_up(shared, &found.1).await;
            still_permitted(shared, caller, tool)?;
        }
        Ok(found)
    };
    let (entry, upstream) = tokio::select! {
        biased;
        () = forward.cancel.cancelled() => return Err(CallError::Cancelled),
        ready = ready => ready?,
    };
    let request = upstream.request(Request {
        method: forward.method,
        params,
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
