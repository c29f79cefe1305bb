//! What all servers offer, ready to be listed and looked up.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use domain::{
    Caller, Effect, GrantId, Isolation, IsolationKey, PolicyRule, PrincipalName, ServerId,
    ServerSlug, Standing, ToolPin, advertised_name,
};
use mcp::{
    Object,
    object::{elements, raw},
};
use serde_json::value::RawValue;

use crate::{
    ServerPins,
    lists::ListKind,
    policy::{self, Decision, Question},
};

/// A server as `orchestrator` knows it.
#[derive(Debug, Clone)]
pub struct ServerView {
    pub id: ServerId,
    pub slug: ServerSlug,
    /// Grows with each change that makes running conversations stale.
    pub generation: u64,
    pub isolation: Isolation,
    pub start_timeout: Duration,
    pub call_timeout: Duration,
    pub calls_max: usize,
    pub keep_warm: bool,
    /// `None` where they were never read.
    pub lists: Option<ServerLists>,
    /// What people have agreed to of its tools; without any, all of them are kept away.
    pub pins: Option<Arc<ServerPins>>,
}

/// What a server has said of itself, as it said it.
#[derive(Debug, Clone, Default)]
pub struct ServerLists {
    /// The result of `initialize`, and the arrays of the lists.
    pub by_kind: BTreeMap<ListKind, Arc<RawValue>>,
}

/// A tool, for people.
#[derive(Debug, Clone)]
pub struct ToolView {
    pub server_id: ServerId,
    pub server: ServerSlug,
    /// The server's own name for it.
    pub name: String,
    /// The name under which `/mcp` has it.
    pub advertised: String,
    /// As the server sent it.
    pub definition: Arc<RawValue>,
    /// That of the definition.
    pub pin: ToolPin,
    pub standing: Standing,
    pub setting: Option<Effect>,
    /// Whether the server claims that it only reads.
    pub is_read_only: bool,
}

/// All servers. It is never changed, only replaced.
#[derive(Default)]
pub(crate) struct Table {
    servers: BTreeMap<ServerSlug, Arc<Entry>>,
    rules: Arc<[PolicyRule]>,
    /// Made when it is first asked for, since tables are swapped one after the other at the start.
    places: OnceLock<Places>,
    whole_tools: OnceLock<Bytes>,
}

/// Where tools and prompts are, by the names that are advertised for them.
#[derive(Default)]
struct Places {
    tools: HashMap<Arc<str>, (Arc<Entry>, usize)>,
    prompts: HashMap<Arc<str>, (Arc<Entry>, usize)>,
}

/// One server.
pub(crate) struct Entry {
    pub(crate) view: Arc<ServerView>,
    pub(crate) tools: Vec<Named>,
    pub(crate) prompts: Vec<Named>,
    resources: Vec<Located>,
    templates: Vec<Located>,
}

/// A tool or a prompt.
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) advertised: Arc<str>,
    definition: Arc<RawValue>,
    /// The definition with the advertised name in it.
    prefixed: Box<RawValue>,
    pub(crate) is_read_only: bool,
    pub(crate) pin: ToolPin,
    pub(crate) standing: Standing,
    pub(crate) setting: Option<Effect>,
}

/// A resource or a template of resources.
struct Located {
    uri: String,
    definition: Arc<RawValue>,
}

impl Table {
    /// Makes a table of `views`. Servers that have not changed are taken over from `former`.
    pub(crate) fn new<'a>(
        views: impl Iterator<Item = &'a Arc<ServerView>>,
        rules: Arc<[PolicyRule]>,
        former: &Self,
    ) -> Self {
        let mut table = Self {
            rules,
            ..Self::default()
        };
        for view in views {
            let known = former.servers.get(&view.slug);
            let entry = match known.filter(|it| Arc::ptr_eq(&it.view, view)) {
                Some(entry) => entry.clone(),
                None => Arc::new(Entry::new(view.clone())),
            };
            table.servers.insert(view.slug.clone(), entry);
        }
        table
    }

    pub(crate) fn server(&self, slug: &ServerSlug) -> Option<&Arc<Entry>> {
        self.servers.get(slug)
    }

    pub(crate) fn server_by_id(&self, id: ServerId) -> Option<&Arc<Entry>> {
        self.servers.values().find(|it| it.view.id == id)
    }

    /// Finds a tool by the name that is advertised for it.
    pub(crate) fn tool(&self, advertised: &str) -> Option<(&Arc<Entry>, usize)> {
        let (entry, index) = self.places().tools.get(advertised)?;
        Some((entry, *index))
    }

    /// Finds a prompt by the name that is advertised for it.
    pub(crate) fn prompt(&self, advertised: &str) -> Option<(&Arc<Entry>, &Named)> {
        let (entry, index) = self.places().prompts.get(advertised)?;
        Some((entry, &entry.prompts[*index]))
    }

    /// Names have the name of their server in front, so that two servers never have the same.
    fn places(&self) -> &Places {
        self.places.get_or_init(|| {
            let mut places = Places::default();
            for entry in self.servers.values() {
                for (index, tool) in entry.tools.iter().enumerate() {
                    let place = (entry.clone(), index);
                    places.tools.insert(tool.advertised.clone(), place);
                }
                for (index, prompt) in entry.prompts.iter().enumerate() {
                    let place = (entry.clone(), index);
                    places.prompts.insert(prompt.advertised.clone(), place);
                }
            }
            places
        })
    }

    /// Returns the result of `tools/list` for all servers.
    pub(crate) fn list_tools(&self, caller: &Caller) -> Bytes {
        let make = || {
            let seen = self.servers.values().flat_map(|entry| {
                let tools = entry.tools.iter();
                tools.filter(|it| self.shows(caller, entry, it))
            });
            list_result("tools", seen.map(|it| it.prefixed.as_ref()))
        };
        let is_whole = caller.access.servers.is_none() && caller.access.tools.is_none();
        if is_whole {
            return self.whole_tools.get_or_init(make).clone();
        }
        make()
    }

    /// Returns the result of a list of another kind for all servers.
    pub(crate) fn list(&self, kind: ListKind, caller: &Caller) -> Bytes {
        let visible = self
            .servers
            .values()
            .filter(|it| policy::may_use(&caller.access, &it.view.slug));
        match kind {
            ListKind::Prompts => {
                let prefixed =
                    visible.flat_map(|it| it.prompts.iter().map(|it| it.prefixed.as_ref()));
                list_result("prompts", prefixed)
            }
            ListKind::Resources => {
                let all =
                    visible.flat_map(|it| it.resources.iter().map(|it| it.definition.as_ref()));
                list_result("resources", all)
            }
            ListKind::ResourceTemplates => {
                let all =
                    visible.flat_map(|it| it.templates.iter().map(|it| it.definition.as_ref()));
                list_result("resourceTemplates", all)
            }
            ListKind::Tools | ListKind::Initialize => self.list_tools(caller),
        }
    }

    /// Returns the servers that may have the resource `uri`: those that list it, else those that
    /// have a template for it, else all that have resources at all.
    pub(crate) fn servers_of_resource(&self, uri: &str, caller: &Caller) -> Vec<&Arc<Entry>> {
        let visible = || {
            let all = self.servers.values();
            all.filter(|it| policy::may_use(&caller.access, &it.view.slug))
        };
        let listed: Vec<_> = visible()
            .filter(|it| it.resources.iter().any(|it| it.uri == uri))
            .collect();
        if !listed.is_empty() {
            return listed;
        }
        let by_template: Vec<_> = visible()
            .filter(|it| it.templates.iter().any(|it| template_matches(&it.uri, uri)))
            .collect();
        if !by_template.is_empty() {
            return by_template;
        }
        visible()
            .filter(|it| it.has_capability("resources"))
            .collect()
    }

    /// Returns the servers that have exactly this template.
    pub(crate) fn servers_of_template(&self, template: &str, caller: &Caller) -> Vec<&Arc<Entry>> {
        let visible = self
            .servers
            .values()
            .filter(|it| policy::may_use(&caller.access, &it.view.slug));
        visible
            .filter(|it| it.templates.iter().any(|it| it.uri == template))
            .collect()
    }

    pub(crate) fn tool_views(&self, caller: &Caller) -> Vec<ToolView> {
        let mut views = Vec::new();
        for entry in self.servers.values() {
            let seen = entry.tools.iter();
            let seen = seen.filter(|it| self.shows(caller, entry, it));
            views.extend(seen.map(|it| it.view(&entry.view)));
        }
        views
    }

    pub(crate) fn rules(&self) -> &Arc<[PolicyRule]> {
        &self.rules
    }

    /// Decides about a call of a tool, where `grant` covers it or nothing does.
    pub(crate) fn decide(
        &self,
        caller: &Caller,
        entry: &Entry,
        tool: &Named,
        grant: Option<GrantId>,
    ) -> Decision {
        policy::decide(&Question {
            caller,
            server: entry.view.id,
            slug: &entry.view.slug,
            tool: &tool.name,
            standing: tool.standing,
            setting: tool.setting,
            rules: &self.rules,
            grant,
        })
    }

    fn shows(&self, caller: &Caller, entry: &Entry, tool: &Named) -> bool {
        !matches!(self.decide(caller, entry, tool, None), Decision::Deny(_))
    }

    /// Returns the result of a list of one server alone, with names as they are.
    pub(crate) fn list_of(&self, entry: &Entry, kind: ListKind, caller: &Caller) -> Bytes {
        let all = |all: &'_ [Located]| -> Vec<Arc<RawValue>> {
            all.iter().map(|it| it.definition.clone()).collect()
        };
        let (key, entries) = match kind {
            ListKind::Tools | ListKind::Initialize => {
                let seen = entry.tools.iter();
                let seen = seen.filter(|it| self.shows(caller, entry, it));
                ("tools", seen.map(|it| it.definition.clone()).collect())
            }
            ListKind::Prompts => {
                let prompts = entry.prompts.iter().map(|it| it.definition.clone());
                ("prompts", prompts.collect())
            }
            ListKind::Resources => ("resources", all(&entry.resources)),
            ListKind::ResourceTemplates => ("resourceTemplates", all(&entry.templates)),
        };
        list_result(key, entries.iter().map(AsRef::as_ref))
    }
}

impl Named {
    pub(crate) fn view(&self, server: &ServerView) -> ToolView {
        ToolView {
            server_id: server.id,
            server: server.slug.clone(),
            name: self.name.clone(),
            advertised: self.advertised.to_string(),
            definition: self.definition.clone(),
            pin: self.pin.clone(),
            standing: self.standing,
            setting: self.setting,
            is_read_only: self.is_read_only,
        }
    }

    pub(crate) fn definition(&self) -> &Arc<RawValue> {
        &self.definition
    }
}

impl Entry {
    fn new(view: Arc<ServerView>) -> Self {
        let array = |kind: ListKind| {
            let lists = view.lists.as_ref();
            lists.and_then(|it| it.by_kind.get(&kind)).cloned()
        };
        Self {
            tools: named(&view, array(ListKind::Tools)),
            prompts: named(&view, array(ListKind::Prompts)),
            resources: located("uri", array(ListKind::Resources)),
            templates: located("uriTemplate", array(ListKind::ResourceTemplates)),
            view,
        }
    }

    /// Returns who shares a conversation with `principal`.
    pub(crate) fn isolation_key(&self, principal: &PrincipalName) -> IsolationKey {
        match self.view.isolation {
            Isolation::Shared => IsolationKey::Shared,
            Isolation::Principal => IsolationKey::Principal(principal.clone()),
        }
    }

    /// Finds the place of a tool by the server's own name for it.
    pub(crate) fn tool(&self, name: &str) -> Option<usize> {
        self.tools.iter().position(|it| it.name == name)
    }

    /// Returns what the server answered to `initialize`, if it ever did.
    pub(crate) fn initialize(&self) -> Option<&RawValue> {
        let lists = self.view.lists.as_ref()?;
        lists.by_kind.get(&ListKind::Initialize).map(AsRef::as_ref)
    }

    pub(crate) fn has_capability(&self, name: &str) -> bool {
        let capabilities = self.initialize().and_then(|it| {
            let result = Object::parse(it).ok()?;
            let capabilities: Box<RawValue> = result.read("capabilities")?;
            Some(capabilities)
        });
        capabilities.is_some_and(|it| Object::parse(&it).is_ok_and(|it| it.get(name).is_some()))
    }
}

/// Reads a list of things with names. What has none, or the name of one before it, is left out.
fn named(view: &ServerView, array: Option<Arc<RawValue>>) -> Vec<Named> {
    let slug = &view.slug;
    let mut all: Vec<Named> = Vec::new();
    let mut names = HashSet::new();
    let Some(array) = array else { return all };
    for definition in elements(&array).unwrap_or_default() {
        let Ok(mut object) = Object::parse(definition) else {
            continue;
        };
        let Some(name) = object.text("name") else {
            tracing::warn!(server.slug = %slug, "Left out a tool or prompt without a name");
            continue;
        };
        let advertised: Arc<str> = advertised_name(slug, &name).as_str().into();
        // Two names of one server may come to be advertised as one; then the first has it.
        if !names.insert(advertised.clone()) {
            tracing::warn!(server.slug = %slug, tool.name = name, "Left out a tool or prompt whose name is taken");
            continue;
        }
        let is_read_only = object
            .read::<serde_json::Value>("annotations")
            .is_some_and(|it| it["readOnlyHint"] == true);
        object.set_text("name", &advertised);
        let pin = ToolPin::of(definition);
        let pins = view.pins.as_ref();
        let standing = pins.map(|it| it.standing(&name, &pin));
        let (standing, setting) = standing.unwrap_or((Standing::Added, None));
        all.push(Named {
            prefixed: object.to_raw(),
            definition: Arc::from(definition.to_owned()),
            name,
            advertised,
            is_read_only,
            pin,
            standing,
            setting,
        });
    }
    all
}

fn located(key: &str, array: Option<Arc<RawValue>>) -> Vec<Located> {
    let mut all = Vec::new();
    let Some(array) = array else { return all };
    for definition in elements(&array).unwrap_or_default() {
        let uri = Object::parse(definition).ok().and_then(|it| it.text(key));
        if let Some(uri) = uri {
            all.push(Located {
                uri,
                definition: Arc::from(definition.to_owned()),
            });
        }
    }
    all
}

fn list_result<'a>(key: &str, entries: impl Iterator<Item = &'a RawValue>) -> Bytes {
    let mut out = format!("{{{}:[", raw(key).get());
    for (at, entry) in entries.enumerate() {
        if at != 0 {
            out.push(',');
        }
        out.push_str(entry.get());
    }
    out.push_str("]}");
    out.into()
}

/// Whether `uri` can have come from `template` (RFC 6570): its literal parts stand in it in order.
fn template_matches(template: &str, uri: &str) -> bool {
    let Some((first, parts)) = template.split_once('{') else {
        return template == uri;
    };
    let Some(mut rest) = uri.strip_prefix(first) else {
        return false;
    };
    let mut literals = parts
        .split('{')
        .map(|it| it.split_once('}').map_or("", |(_, literal)| literal))
        .peekable();
    while let Some(literal) = literals.next() {
        if literals.peek().is_none() {
            return rest.ends_with(literal);
        }
        match rest.find(literal) {
            Some(at) => rest = &rest[at + literal.len()..],
            None => return false,
        }
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::template_matches;

    #[test]
    fn a_template_matches_what_it_makes() {
        assert!(template_matches("file:///{path}", "file:///a/b"));
        assert!(template_matches("demo://{id}/text", "demo://7/text"));
        assert!(!template_matches("demo://{id}/text", "demo://7/blob"));
        assert!(!template_matches("file:///{path}", "demo://7"));
        assert!(template_matches("a{x}b{y}", "a1b2"));
        assert!(template_matches("a{x}b", "a1b2b"));
        assert!(!template_matches("ab{x}ba", "aba"));
        assert!(template_matches("plain://x", "plain://x"));
        assert!(!template_matches("plain://x", "plain://xy"));
    }
}
