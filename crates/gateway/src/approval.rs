//! Asking a person before a call is made.

use std::{future::Future, pin::Pin, sync::Arc};

use async_trait::async_trait;
use domain::{ApprovalId, Caller, CallerKind, GrantId, ServerId, ServerSlug, ToolPin};
use mcp::{Object, message};
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::{
    CallError, Shared,
    call::Tool,
    policy::{Basis, Because, Decision, Why},
    session::Unread,
    upstream::Origin,
};

/// Asks people, and knows what they have said. `orchestrator` fills this.
#[async_trait]
pub trait Approvals: Send + Sync {
    /// Uses up a permission for exactly this call, or opens a request for one; where an equal one
    /// is open, that one. Whatever it says is written down before it says it.
    async fn ask(&self, call: &AskedCall<'_>) -> Result<Approval, String>;

    /// Returns where a person looks at the tools of a server, for people.
    fn tools_address(&self, server: &ServerSlug) -> String;
}

/// A call that a person is to decide about.
#[derive(Debug, Clone, Copy)]
pub struct AskedCall<'a> {
    pub caller: &'a Caller,
    pub server: ServerId,
    pub slug: &'a ServerSlug,
    /// By the server's own name for it.
    pub tool: &'a str,
    pub pin: &'a ToolPin,
    pub definition: &'a RawValue,
    /// An object, as the client sent it. No key stands twice in it.
    pub arguments: &'a RawValue,
    pub why: Why,
}

/// What comes of asking.
pub enum Approval {
    /// A permission for this one call, which is used up now.
    Granted(GrantId),
    Open(OpenApproval),
}

/// A request that waits for a person.
pub struct OpenApproval {
    pub id: ApprovalId,
    /// Where a person decides about it, for people.
    pub address: String,
    /// Ends when the request is decided about or closed. Cancel safe.
    pub closed: Pin<Box<dyn Future<Output = Verdict> + Send>>,
}

/// How a request for approval ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// There is a permission now; whoever asks again finds it.
    Approved,
    Denied {
        /// What the person wants the model to know.
        reason: Option<String>,
    },
    /// Nobody decided, or what it was about is not there any more.
    Closed,
}

/// Waits until a call may be made. Returns by what, and the tool as it is by then.
pub(crate) async fn permit(
    shared: &Arc<Shared>,
    caller: &Caller,
    mut tool: Tool,
    params: &Object<'_>,
    origin: &Origin,
    cancel: &CancellationToken,
) -> (Tool, Result<Basis, Refused>) {
    let mut waiting = None;
    loop {
        let why = match decide(shared, caller, &tool) {
            Decision::Allow(basis) => return (tool, Ok(basis)),
            Decision::Deny(because) => {
                let error = denied(shared, &tool, because);
                return (tool, Err(error));
            }
            Decision::Ask(why) => why,
        };
        let asked = ask(shared, caller, &tool, params, why).await;
        let open = match asked {
            Ok(Approval::Granted(grant)) => return (tool, Ok(Basis::Grant(grant))),
            Ok(Approval::Open(open)) => open,
            Err(error) => return (tool, Err(Refused::asking(error, why.to_basis()))),
        };
        let id = open.id;
        let waiting =
            waiting.get_or_insert_with(|| Waiting::new(shared, &tool, params, origin, caller));
        if let Err(error) = waiting.wait(open, cancel).await {
            let basis = match error {
                // What the request says has who decided, and why.
                CallError::NotApproved { .. } => format!("approval {id}"),
                _ => why.to_basis(),
            };
            return (tool, Err(Refused::asking(error, basis)));
        }
        // While a person thought about it, the server may have said something else of it.
        match tool.as_it_is_now(&shared.table.load()) {
            Some(now) => tool = now,
            None => {
                let what = format!("there is no tool `{}` any more", tool.name);
                let error = CallError::Unknown { what };
                return (tool, Err(Refused::asking(error, why.to_basis())));
            }
        }
    }
}

/// Why a call is not made, and what stands in the audit as the reason.
pub(crate) struct Refused {
    pub(crate) error: CallError,
    pub(crate) decision: &'static str,
    pub(crate) basis: Option<String>,
}

impl Refused {
    fn asking(error: CallError, basis: String) -> Self {
        Self {
            error,
            decision: "asked",
            basis: Some(basis),
        }
    }
}

fn decide(shared: &Shared, caller: &Caller, tool: &Tool) -> Decision {
    let named = tool.named();
    let table = shared.table.load();
    match table.decide(caller, &tool.entry, named, None) {
        Decision::Ask(why) => {
            let grants = shared.grants.read();
            let grants = grants.expect("no code panics while it holds the lock");
            let grant = grants.find(caller, tool.entry.view.id, &named.name, &named.pin);
            drop(grants);
            match grant {
                Some(_) => table.decide(caller, &tool.entry, named, grant),
                None => Decision::Ask(why),
            }
        }
        decided => decided,
    }
}

/// Refuses a call that was permitted before its server was there, if it is denied by now, or if the
/// tool is another than the one that was decided about and may not be called either.
pub(crate) fn still_permitted(
    shared: &Shared,
    caller: &Caller,
    tool: &Tool,
) -> Result<(), CallError> {
    let table = shared.table.load();
    let now = tool
        .as_it_is_now(&table)
        .ok_or_else(|| CallError::Unknown {
            what: format!("there is no tool `{}` any more", tool.name),
        })?;
    match decide(shared, caller, &now) {
        Decision::Allow(_) => Ok(()),
        Decision::Deny(because) => Err(denied(shared, &now, because).error),
        // Somebody has said yes to this call, maybe to no other.
        Decision::Ask(_) if now.named().pin == tool.named().pin => Ok(()),
        Decision::Ask(_) => Err(CallError::NotApproved {
            what: format!("`{}` of `{}`", now.name, now.entry.view.slug),
            reason: Some("the tool has just changed; make the same call again".to_owned()),
        }),
    }
}

async fn ask(
    shared: &Shared,
    caller: &Caller,
    tool: &Tool,
    params: &Object<'_>,
    why: Why,
) -> Result<Approval, CallError> {
    let empty = crate::empty_object();
    let arguments = params.get("arguments").unwrap_or(&empty);
    if !arguments.get().starts_with('{') || domain::is_ambiguous(arguments) {
        // A person would be shown something else than what the server reads.
        return Err(CallError::Params {
            reason: "`arguments` must be an object in which no key stands twice".to_owned(),
        });
    }
    let named = tool.named();
    let asked = AskedCall {
        caller,
        server: tool.entry.view.id,
        slug: &tool.entry.view.slug,
        tool: &named.name,
        pin: &named.pin,
        definition: named.definition(),
        arguments,
        why,
    };
    let asked = shared.approvals.ask(&asked).await;
    asked.map_err(|reason| CallError::NotRecorded { reason })
}

fn denied(shared: &Shared, tool: &Tool, because: Because) -> Refused {
    let slug = &tool.entry.view.slug;
    let name = &tool.name;
    let quarantined = |what: &str| CallError::Quarantined {
        reason: format!("tool `{name}` of server `{slug}` {what}"),
        address: shared.approvals.tools_address(slug),
    };
    let denied = |reason: String| CallError::Denied { reason };
    let error = match because {
        Because::Access => match &tool.hidden {
            Some(what) => CallError::Unknown { what: what.clone() },
            None => denied(format!(
                "this client's token does not allow tool `{name}` of server `{slug}`"
            )),
        },
        Because::Changed => quarantined("has changed since somebody agreed to it"),
        Because::Added => quarantined("is new, and nobody has agreed to it yet"),
        Because::Setting => denied(format!("tool `{name}` of server `{slug}` is set to deny")),
        Because::Rule(_) => denied(format!("a rule denies tool `{name}` of server `{slug}`")),
    };
    Refused {
        error,
        decision: "denied",
        basis: Some(because.to_text()),
    }
}

/// A caller who waits for a person.
struct Waiting<'a> {
    shared: &'a Shared,
    what: String,
    origin: &'a Origin,
    until: Instant,
    /// The client's token under which it wants to hear of progress.
    progress_token: Option<Box<RawValue>>,
    told: u32,
    /// A model's turn does not wait: it goes on when there is a decision.
    is_chat: bool,
}

impl<'a> Waiting<'a> {
    fn new(
        shared: &'a Shared,
        tool: &Tool,
        params: &Object<'_>,
        origin: &'a Origin,
        caller: &Caller,
    ) -> Self {
        let meta = params.get("_meta").and_then(|it| Object::parse(it).ok());
        let token = meta.as_ref().and_then(|it| it.get("progressToken"));
        Self {
            shared,
            what: format!("`{}` of `{}`", tool.name, tool.entry.view.slug),
            origin,
            until: Instant::now() + shared.settings.approval_wait,
            progress_token: token.map(ToOwned::to_owned),
            told: 0,
            is_chat: caller.kind == CallerKind::Chat,
        }
    }

    /// Waits until the request is approved, or says why it was not.
    async fn wait(
        &mut self,
        open: OpenApproval,
        cancel: &CancellationToken,
    ) -> Result<(), CallError> {
        let OpenApproval {
            id,
            address,
            mut closed,
        } = open;
        let waiting = CallError::WaitingForApproval {
            what: self.what.clone(),
            approval: id,
            address: address.clone(),
        };
        if self.is_chat {
            return Err(waiting);
        }
        let period = self.shared.settings.approval_progress_period;
        let mut tell_at = Instant::now();
        loop {
            tokio::select! {
                biased;
                verdict = &mut closed => return match verdict {
                    Verdict::Approved => Ok(()),
                    Verdict::Denied { reason } => Err(CallError::NotApproved {
                        what: self.what.clone(),
                        reason,
                    }),
                    Verdict::Closed => Err(CallError::NotApproved {
                        what: self.what.clone(),
                        reason: Some("the request is not open any more".to_owned()),
                    }),
                },
                () = cancel.cancelled() => return Err(CallError::Cancelled),
                () = self.shared.shutdown.cancelled() => return Err(waiting),
                () = sleep_until(self.until) => return Err(waiting),
                () = sleep_until(tell_at) => {
                    self.tell(&address);
                    tell_at = Instant::now() + period;
                }
            }
        }
    }

    /// Tells the client that it waits, and for what.
    fn tell(&mut self, address: &str) {
        let (Some(token), Origin::Client(route)) = (&self.progress_token, self.origin) else {
            return;
        };
        self.told += 1;
        let params = serde_json::json!({
            "progressToken": token,
            // Progress only grows, and the server's own begins after this.
            "progress": f64::from(self.told) * 1e-6,
            "message": format!("waiting for a person's approval of {} at {address}", self.what),
        });
        let params = mcp::object::raw(&params);
        let message = message::notification("notifications/progress", Some(&params));
        // A client that does not read is not waited for.
        let _sent = route.send(message.into(), Unread::Drop);
    }
}
