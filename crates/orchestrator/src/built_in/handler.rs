use domain::Caller;
use gateway::CALLER_META;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ListToolsResult,
        PaginatedRequestParams, RequestMetaObject, ServerConfig,
    },
    service::{NotificationContext, RequestContext},
};

use super::{
    answers::{self, Answer},
    definitions,
};
use crate::Orchestrator;

/// Answers what the gateway asks.
pub(super) struct Handler {
    orchestrator: Orchestrator,
}

impl Handler {
    pub(super) fn new(orchestrator: Orchestrator) -> Self {
        Self { orchestrator }
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        definitions::info()
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(definitions::tools()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let caller = caller_of(&context.meta)?;
        let arguments = request.arguments.unwrap_or_default();
        let answer = answers::answer(&self.orchestrator, &caller, &request.name, arguments);
        let unknown = || {
            let reason = format!("there is no tool `{}`", request.name);
            ErrorData::invalid_params(reason, None)
        };
        let result = match answer.await.ok_or_else(unknown)? {
            Ok(Answer { text, structured }) => {
                let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
                result.structured_content = Some(structured);
                result
            }
            Err(failure) => CallToolResult::error(vec![ContentBlock::text(failure.reason)]),
        };
        Ok(result.into())
    }

    async fn on_initialized(&self, _context: NotificationContext<RoleServer>) {}
}

/// Returns who calls, which the gateway says with each call and nobody else can.
fn caller_of(meta: &RequestMetaObject) -> Result<Caller, ErrorData> {
    let caller = meta.get(CALLER_META).cloned();
    let caller = caller.and_then(|it| serde_json::from_value(it).ok());
    let unknown = || ErrorData::invalid_params("it is not known who calls", None);
    caller.ok_or_else(unknown)
}
