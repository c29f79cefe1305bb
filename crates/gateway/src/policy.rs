//! Who may call what.

use domain::{Access, Caller, ServerSlug};

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

/// Decides whether who has `access` may use what of `server` is no tool: its resources and prompts.
///
/// Who is limited to tools of other servers may not, since nothing of this one was given to them.
pub(crate) fn may_use(access: &Access, server: &ServerSlug) -> bool {
    let has_tool = |rules: &std::collections::BTreeSet<domain::ToolRule>| {
        rules.iter().any(|it| it.server == *server)
    };
    access.allows_server(server) && access.tools.as_ref().is_none_or(has_tool)
}

/// Decides whether who has `access` may send `server` what this program does not know.
///
/// Who is limited to some of its tools may not: nobody can say what it would do.
pub(crate) fn may_send_unknown(access: &Access, server: &ServerSlug) -> bool {
    let has_all = |rules: &std::collections::BTreeSet<domain::ToolRule>| {
        let mut of_server = rules.iter().filter(|it| it.server == *server);
        of_server.any(|it| it.tool == "*")
    };
    access.allows_server(server) && access.tools.as_ref().is_none_or(has_all)
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
            chat: None,
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
        let uses = |caller: &Caller, server: &str| {
            let server = slug(server);
            let access = &caller.access;
            (may_use(access, &server), may_send_unknown(access, &server))
        };
        assert_eq!(uses(&everything, "a"), (true, true));
        assert_eq!(uses(&one_server, "a"), (true, true));
        assert_eq!(uses(&one_server, "b"), (false, false));
        assert_eq!(uses(&one_tool, "a"), (true, false));
        assert_eq!(uses(&one_tool, "b"), (true, true));
        assert_eq!(uses(&one_tool, "c"), (false, false));
        let nothing = caller(None, Some(&[]));
        assert!(!allowed(&nothing, "a", "x"));
    }
}
