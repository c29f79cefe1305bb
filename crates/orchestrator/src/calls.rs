//! Calls of tools that a person makes by hand.

use domain::{Caller, ServerSlug};
use gateway::{CallOutcome, CallTarget};
use serde_json::value::RawValue;

use crate::{Error, Orchestrator};

/// Which tool is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolTarget {
    /// By the name that `/mcp` advertises.
    Advertised(String),
    /// By the server's own name for it.
    Own { server: ServerSlug, tool: String },
}

impl Orchestrator {
    /// Calls a tool on behalf of a person, who has asked for this very call.
    ///
    /// The call goes on when the future is dropped, so that the audit has how it ended.
    pub async fn call_tool(
        &self,
        by: &Caller,
        target: ToolTarget,
        arguments: Option<Box<RawValue>>,
    ) -> Result<CallOutcome, Error> {
        let (gateway, by) = (self.gateway().clone(), by.clone());
        let call = async move {
            let target = match &target {
                ToolTarget::Advertised(name) => CallTarget::Advertised(name),
                ToolTarget::Own { server, tool } => CallTarget::Own { server, tool },
            };
            gateway.call(&by, target, arguments).await
        };
        let called = self.shared.tasks.spawn(call).await;
        called.map_err(Error::internal)?.map_err(Error::Call)
    }
}
