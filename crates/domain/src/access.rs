use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{ChatId, PrincipalName, ServerSlug, TokenId};

/// Who asks for something, on whose behalf, and what they may use.
///
/// It is made once, where a request comes in, and passed down; nothing below looks at a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    pub principal: PrincipalName,
    /// The token that the caller came in with; `None` for a browser's session.
    pub token: Option<TokenId>,
    pub kind: CallerKind,
    /// The chat that a model's call is made in, or that a client has named, one of its principal's.
    pub chat: Option<ChatId>,
    pub access: Access,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallerKind {
    /// The person in front of the program: its UI or its command line.
    Person,
    /// An MCP client.
    Client,
    /// A model, in a chat of this program's own.
    Chat,
}

/// Which servers and tools a client may see and call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// `None` is all servers.
    #[serde(default)]
    pub servers: Option<BTreeSet<ServerSlug>>,
    /// `None` is all tools of those servers.
    #[serde(default)]
    pub tools: Option<BTreeSet<ToolRule>>,
}

/// One tool of one server, by the server's own name for it. `*` is all tools of that server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ToolRule {
    pub server: ServerSlug,
    pub tool: String,
}

impl Access {
    pub fn allows_server(&self, server: &ServerSlug) -> bool {
        self.servers.as_ref().is_none_or(|it| it.contains(server))
    }

    pub fn allows_tool(&self, server: &ServerSlug, tool: &str) -> bool {
        let by_rule = |rules: &BTreeSet<ToolRule>| {
            let mut of_server = rules.iter().filter(|it| it.server == *server);
            of_server.any(|it| it.tool == "*" || it.tool == tool)
        };
        self.allows_server(server) && self.tools.as_ref().is_none_or(by_rule)
    }
}
