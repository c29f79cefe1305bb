//! Who may call what.

use domain::{Caller, ServerSlug};

/// What [`decide`] says of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    Allow,
    Deny { reason: String },
}

/// Decides whether `caller` may call `tool`, by the server's own name for it.
///
/// A tool that may not be called is not listed either, by this same function.
pub(crate) fn decide(caller: &Caller, server: &ServerSlug, tool: &str) -> Decision {
    if caller.access.allows_tool(server, tool) {
        return Decision::Allow;
    }
    Decision::Deny {
        reason: format!("this client's token does not allow tool `{tool}` of server `{server}`"),
    }
}

/// Decides whether `caller` may use what of `server` is no tool: its resources and prompts.
pub(crate) fn may_use(caller: &Caller, server: &ServerSlug) -> bool {
    caller.access.allows_server(server)
}

#[cfg(test)]
mod tests {
    use domain::{Access, CallerKind, PrincipalName, ToolRule};

    use super::*;

    #[test]
    fn a_token_allows_what_it_names() {
        let slug = |it: &str| ServerSlug::new(it).unwrap();
        let rule = |server: &str, tool: &str| ToolRule {
            server: slug(server),
            tool: tool.to_owned(),
        };
        let caller = |servers: Option<&[&str]>, tools: Option<&[(&str, &str)]>| Caller {
            principal: PrincipalName::owner(),
            token: None,
            kind: CallerKind::Client,
            access: Access {
                servers: servers.map(|it| it.iter().map(|it| slug(it)).collect()),
                tools: tools.map(|it| it.iter().map(|(s, t)| rule(s, t)).collect()),
            },
        };
        let allowed = |caller: &Caller, server: &str, tool: &str| {
            decide(caller, &slug(server), tool) == Decision::Allow
        };
        let everything = caller(None, None);
        assert!(allowed(&everything, "a", "x"));
        let one_server = caller(Some(&["a"]), None);
        assert!(allowed(&one_server, "a", "x") && !allowed(&one_server, "b", "x"));
        let one_tool = caller(None, Some(&[("a", "x"), ("b", "*")]));
        assert!(allowed(&one_tool, "a", "x") && !allowed(&one_tool, "a", "y"));
        assert!(allowed(&one_tool, "b", "y") && !allowed(&one_tool, "c", "x"));
        let nothing = caller(None, Some(&[]));
        assert!(!allowed(&nothing, "a", "x"));
    }
}
