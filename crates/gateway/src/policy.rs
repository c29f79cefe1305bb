//! Who may call what.
//!
//! Everything that is known of a call goes into [`Question`], and [`decide`] says what is to be done.
//! It looks at nothing else, so that what is listed and what is called cannot differ, and so that
//! the same question has the same answer wherever it comes from.
//!
//! **Invariant:** what a server claims of its tools (its annotations) is in no [`Question`].

use domain::{
    Access, Caller, CallerKind, Effect, GrantId, PolicyRule, RuleId, ServerId, ServerSlug, Standing,
};

/// All that a decision depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) server: ServerId,
    pub(crate) slug: &'a ServerSlug,
    /// By the server's own name for it.
    pub(crate) tool: &'a str,
    pub(crate) standing: Standing,
    /// What a person has set for this very tool, as it is pinned.
    pub(crate) setting: Option<Effect>,
    pub(crate) rules: &'a [PolicyRule],
    /// A permission that a person has given for calls such as this.
    pub(crate) grant: Option<GrantId>,
}

/// What [`decide`] says of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    Allow(Basis),
    /// A person is asked first.
    Ask(Why),
    Deny(Because),
}

/// By what a call is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Basis {
    /// What a person has set for the tool.
    Setting,
    Rule(RuleId),
    /// A permission that stands, or one that this call has used up.
    Grant(GrantId),
    /// A person has asked for this very call.
    Consent,
}

/// Why a person is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    NotLookedAt,
    Setting,
    Rule(RuleId),
    /// Nothing says that it may be called unasked.
    NothingAllows,
}

/// Why a call is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Because {
    /// The token does not allow it.
    Access,
    /// The server says something else of it than when it was pinned.
    Changed,
    /// The server has not had it when its list was pinned.
    Added,
    Setting,
    Rule(RuleId),
}

/// Decides about a call. A tool that is denied is not listed either, by this same function.
///
/// In this order: what the token does not allow is refused; then what a person has not agreed to
/// since it has changed; then what is denied. What is to be asked for is asked for, unless a
/// permission covers it or a person makes the call by hand. What is left is allowed where somebody
/// has said so, and asked for where nobody has.
pub(crate) fn decide(question: &Question<'_>) -> Decision {
    let caller = question.caller;
    if !caller.access.allows_tool(question.slug, question.tool) {
        return Decision::Deny(Because::Access);
    }
    let looked_at = match question.standing {
        Standing::Changed => return Decision::Deny(Because::Changed),
        Standing::Added => return Decision::Deny(Because::Added),
        Standing::Pinned { looked_at } => looked_at,
    };
    let why = match strongest(question) {
        Some((Effect::Deny, None)) => return Decision::Deny(Because::Setting),
        Some((Effect::Deny, Some(rule))) => return Decision::Deny(Because::Rule(rule)),
        Some((Effect::Ask, rule)) => rule.map_or(Why::Setting, Why::Rule),
        _ if !looked_at => Why::NotLookedAt,
        Some((Effect::Allow, rule)) => {
            return Decision::Allow(rule.map_or(Basis::Setting, Basis::Rule));
        }
        None => Why::NothingAllows,
    };
    if caller.kind == CallerKind::Person {
        return Decision::Allow(Basis::Consent);
    }
    match question.grant {
        Some(grant) => Decision::Allow(Basis::Grant(grant)),
        None => Decision::Ask(why),
    }
}

/// Returns the strongest effect that anything has on the call, and the rule that has it; `None` in
/// its place is the tool's own setting.
fn strongest(question: &Question<'_>) -> Option<(Effect, Option<RuleId>)> {
    let setting = question.setting.map(|it| (it, None));
    let about = |it: &&PolicyRule| it.is_about(question.server, question.tool);
    let rules = question.rules.iter().filter(about);
    let rules = rules.map(|it| (it.effect, Some(it.id)));
    setting
        .into_iter()
        .chain(rules)
        .min_by_key(|(effect, _)| *effect)
}

impl Basis {
    /// Returns the form that stands in the audit.
    pub fn to_text(&self) -> String {
        match self {
            Self::Setting => "setting".to_owned(),
            Self::Rule(id) => format!("rule {id}"),
            Self::Grant(id) => format!("grant {id}"),
            Self::Consent => "consent".to_owned(),
        }
    }
}

impl Why {
    /// Returns the reason for the person who is asked.
    pub fn to_text(self) -> &'static str {
        match self {
            Self::NotLookedAt => "nobody has looked at this tool yet",
            Self::Setting => "this tool is set to ask",
            Self::Rule(_) => "a rule says that this tool asks",
            Self::NothingAllows => "nothing says that this tool may be called unasked",
        }
    }

    /// Returns the form that stands in the audit.
    pub fn to_basis(self) -> String {
        match self {
            Self::NotLookedAt => "not looked at".to_owned(),
            Self::Setting => "setting".to_owned(),
            Self::Rule(id) => format!("rule {id}"),
            Self::NothingAllows => "nothing allows it".to_owned(),
        }
    }
}

impl Because {
    /// Returns the form that stands in the audit.
    pub(crate) fn to_text(self) -> String {
        match self {
            Self::Access => "token".to_owned(),
            Self::Changed => "changed".to_owned(),
            Self::Added => "added".to_owned(),
            Self::Setting => "setting".to_owned(),
            Self::Rule(id) => format!("rule {id}"),
        }
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
mod tests;
