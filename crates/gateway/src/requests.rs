//! What only a server can answer: which one, and how it is asked.

use std::sync::Arc;

use domain::Caller;
use mcp::{Object, RpcError, code};
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use crate::{
    CallError, CallTarget, Scope, Shared,
    call::{Call, Forward, Tool, call_tool, request},
    policy,
    session::{Route, Session},
    table::{Entry, Table},
    upstream::Origin,
};

/// A request that a server has to answer.
pub(crate) struct Asked<'a> {
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) caller: &'a Caller,
    pub(crate) session: &'a Arc<Session>,
    pub(crate) route: Route,
    pub(crate) cancel: &'a CancellationToken,
}

impl Asked<'_> {
    pub(crate) async fn answer(
        &self,
        method: &str,
        params: Option<&RawValue>,
    ) -> Result<Box<RawValue>, CallError> {
        let object = Object::parse_or_empty(params).map_err(|err| CallError::params(&err))?;
        match method {
            "tools/call" => self.call(object).await,
            "prompts/get" => self.prompt(object).await,
            "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
                self.resource(method, &object).await
            }
            "completion/complete" => self.complete(object).await,
            "logging/setLevel" => self.set_level(&object),
            "initialize" => Err(error(
                code::INVALID_REQUEST,
                "`initialize` begins a session and has to be sent alone",
            )),
            _ => {
                let object = params.is_some().then_some(&object);
                self.unknown(method, object).await
            }
        }
    }

    /// Passes on what is not known here: one server alone may know more methods than we do.
    async fn unknown(
        &self,
        method: &str,
        params: Option<&Object<'_>>,
    ) -> Result<Box<RawValue>, CallError> {
        let Scope::One(slug) = &self.session.scope else {
            let reason =
                format!("`{method}` is not known here; a server that has it is at `/mcp/<server>`");
            return Err(error(code::METHOD_NOT_FOUND, reason));
        };
        // What is to be decided about is called by its one name.
        let is_like_a_call = method.trim().to_ascii_lowercase().starts_with("tools/");
        if is_like_a_call {
            let reason = format!("`{method}` is not known here");
            return Err(error(code::METHOD_NOT_FOUND, reason));
        }
        if !policy::may_send_unknown(&self.caller.access, slug) {
            let reason =
                format!("`{method}` is not known here, and this client's token allows only tools");
            return Err(error(code::METHOD_NOT_FOUND, reason));
        }
        let table = self.shared.table.load_full();
        let entry = table.server(slug);
        let entry = entry.ok_or_else(|| CallError::unknown_server(slug))?;
        self.forward(entry, method, params).await
    }

    async fn forward(
        &self,
        entry: &Arc<Entry>,
        method: &str,
        params: Option<&Object<'_>>,
    ) -> Result<Box<RawValue>, CallError> {
        let forward = Forward {
            tool: None,
            method,
            params,
            origin: Origin::Client(self.route.clone()),
            cancel: self.cancel,
        };
        request(self.shared, entry, self.caller, &forward).await
    }

    async fn call(&self, params: Object<'_>) -> Result<Box<RawValue>, CallError> {
        let name = required(&params, "name")?;
        let target = match &self.session.scope {
            Scope::All => CallTarget::Advertised(&name),
            Scope::One(server) => CallTarget::Own {
                server,
                tool: &name,
            },
        };
        let tool = Tool::find(&self.shared.table.load(), self.caller, target)?;
        let call = Call {
            caller: self.caller,
            tool,
            params,
            origin: Origin::Client(self.route.clone()),
            cancel: self.cancel,
        };
        match call_tool(self.shared, call).await {
            Ok(outcome) => Ok(outcome.result),
            Err(err) => err.to_tool_result().ok_or(err),
        }
    }

    async fn prompt(&self, mut params: Object<'_>) -> Result<Box<RawValue>, CallError> {
        let name = required(&params, "name")?;
        let table = self.shared.table.load_full();
        let (entry, own) = self.find_prompt(&table, &name)?;
        params.set_text("name", &own);
        self.forward(entry, "prompts/get", Some(&params)).await
    }

    fn find_prompt<'t>(
        &self,
        table: &'t Table,
        name: &str,
    ) -> Result<(&'t Arc<Entry>, String), CallError> {
        let found = match &self.session.scope {
            Scope::All => table
                .prompt(name)
                .map(|(entry, it)| (entry, it.name.clone())),
            // A server may have prompts that it does not list.
            Scope::One(slug) => table.server(slug).map(|entry| (entry, name.to_owned())),
        };
        let found =
            found.filter(|(entry, _)| policy::may_use(&self.caller.access, &entry.view.slug));
        found.ok_or_else(|| CallError::Unknown {
            what: format!("there is no prompt `{name}`"),
        })
    }

    async fn resource(
        &self,
        method: &str,
        object: &Object<'_>,
    ) -> Result<Box<RawValue>, CallError> {
        let uri = required(object, "uri")?;
        let table = self.shared.table.load_full();
        let candidates = table.servers_of_resource(&uri, self.caller);
        let entry = self.only(&table, candidates, &format!("resource `{uri}`"))?;
        let id = entry.view.id;
        match method {
            "resources/subscribe" => {
                // Before the server knows of it, so that no change is missed.
                let subscribed = self.session.subscribe(id, &uri);
                subscribed.map_err(|reason| CallError::Params { reason })?;
            }
            "resources/unsubscribe" => {
                self.session.unsubscribe(id, &uri);
                // Other clients of the same conversation may still want to hear of it.
                let mut is_wanted = false;
                let scope = Scope::One(entry.view.slug.clone());
                self.shared.each_upstream(&scope, self.caller, |it| {
                    is_wanted |= self.shared.is_wanted_by_others(it, self.session, &uri);
                });
                if is_wanted {
                    return Ok(crate::empty_object());
                }
            }
            _ => {}
        }
        let answer = self.forward(entry, method, Some(object)).await;
        if method == "resources/subscribe" {
            match &answer {
                Ok(_) => self.session.confirm_subscription(id, &uri),
                Err(_) => self.session.unsubscribe(id, &uri),
            }
        }
        answer
    }

    async fn complete(&self, mut params: Object<'_>) -> Result<Box<RawValue>, CallError> {
        let reference: Box<RawValue> = params.read("ref").ok_or_else(|| missing("ref"))?;
        let mut reference = Object::parse(&reference).map_err(|err| CallError::params(&err))?;
        let table = self.shared.table.load_full();
        let entry = match reference.text("type").as_deref() {
            Some("ref/prompt") => {
                let name = required(&reference, "name")?;
                let (entry, own) = self.find_prompt(&table, &name)?;
                reference.set_text("name", &own);
                params.set("ref", reference.to_raw());
                entry
            }
            _ => {
                let uri = required(&reference, "uri")?;
                let mut candidates = table.servers_of_template(&uri, self.caller);
                if candidates.is_empty() {
                    candidates = table.servers_of_resource(&uri, self.caller);
                }
                self.only(&table, candidates, &format!("resource template `{uri}`"))?
            }
        };
        self.forward(entry, "completion/complete", Some(&params))
            .await
    }

    /// Notes which log lines the client wants, and tells the servers that run.
    fn set_level(&self, object: &Object<'_>) -> Result<Box<RawValue>, CallError> {
        let level = required(object, "level")?;
        if !self.session.set_log_level(&level) {
            return Err(CallError::Params {
                reason: format!("`{level}` is no log level"),
            });
        }
        let (scope, caller) = (&self.session.scope, self.caller);
        self.shared
            .each_upstream(scope, caller, |it| it.level_changed.notify_one());
        Ok(crate::empty_object())
    }

    /// Returns the one server that is meant, or says which it could be.
    fn only<'t>(
        &self,
        table: &'t Table,
        candidates: Vec<&'t Arc<Entry>>,
        what: &str,
    ) -> Result<&'t Arc<Entry>, CallError> {
        if let Scope::One(slug) = &self.session.scope {
            return table
                .server(slug)
                .ok_or_else(|| CallError::unknown_server(slug));
        }
        match candidates.as_slice() {
            [entry] => Ok(entry),
            [] => Err(CallError::Unknown {
                what: format!("there is no {what}"),
            }),
            several => {
                let names: Vec<&str> = several.iter().map(|it| it.view.slug.as_str()).collect();
                Err(CallError::Unknown {
                    what: format!(
                        "{what} could be of the servers {}; use `/mcp/<server>` to say which",
                        names.join(", ")
                    ),
                })
            }
        }
    }
}

fn required(object: &Object<'_>, key: &str) -> Result<String, CallError> {
    object.text(key).ok_or_else(|| missing(key))
}

fn missing(key: &str) -> CallError {
    CallError::Params {
        reason: format!("`{key}` is missing"),
    }
}

/// An error of ours in the place of a server's.
fn error(code: i64, reason: impl Into<String>) -> CallError {
    CallError::Server {
        error: RpcError::new(code, reason).to_raw(),
    }
}
