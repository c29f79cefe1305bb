//! What the tools of the built-in server do, each one use case, and what they answer.

use domain::{Caller, ChatId, ServerSlug, show_hidden};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use store::{IfAlready, MemorySet};

use crate::{ChatToolView, Error, Orchestrator, ToolSelection, chat_tools::quoted, error_chain};

/// The most tools that one call enables or disables.
pub(super) const TOOL_IDS_MAX: usize = 200;
/// The longest list of tools, in bytes of JSON.
const TOOLS_BYTES_MAX: usize = 64 << 10;
/// How much is said of each tool, in characters: as much as there is room for.
const DESCRIPTION_CHARS: [usize; 3] = [300, 80, 0];
/// Servers that are named where another is asked for.
const SERVERS_SHOWN_MAX: usize = 50;

/// What a tool has done: the same for programs, and as a text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) structured: Value,
}

/// Why a tool could not do it, for the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoArguments {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetMemory {
    name: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeleteMemory {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListTools {
    mcp_server: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChooseTools {
    tool_ids: Vec<String>,
}

/// Does what a tool is for. `None` where there is no such tool.
pub(super) async fn answer(
    orchestrator: &Orchestrator,
    caller: &Caller,
    tool: &str,
    arguments: Map<String, Value>,
) -> Option<Result<Answer, Failure>> {
    Some(match tool {
        "list_memories" => list_memories(orchestrator, caller, arguments).await,
        "set_memory" => set_memory(orchestrator, caller, arguments).await,
        "delete_memory" => delete_memory(orchestrator, caller, arguments).await,
        "list_available_tools" => list_tools(orchestrator, caller, arguments).await,
        "enable_tools" => choose(orchestrator, caller, arguments, true).await,
        "disable_tools" => choose(orchestrator, caller, arguments, false).await,
        _ => return None,
    })
}

async fn list_memories(
    orchestrator: &Orchestrator,
    caller: &Caller,
    arguments: Map<String, Value>,
) -> Result<Answer, Failure> {
    let NoArguments {} = read(arguments)?;
    let mut memories = orchestrator.memories(&caller.principal).await?;
    memories.sort_by(|a, b| b.updated_at.cmp(&a.updated_at).then(a.name.cmp(&b.name)));
    let memories: Vec<Value> = memories
        .iter()
        .map(|it| json!({ "name": it.name, "value": it.value }))
        .collect();
    Ok(Answer::of(json!({ "memories": memories })))
}

async fn set_memory(
    orchestrator: &Orchestrator,
    caller: &Caller,
    arguments: Map<String, Value>,
) -> Result<Answer, Failure> {
    let SetMemory { name, value } = read(arguments)?;
    let (memory, set) = orchestrator.set_memory(&name, &value, caller).await?;
    let outcome = match set {
        MemorySet::Created => "created",
        MemorySet::Changed => "changed",
        MemorySet::Unchanged => "unchanged",
    };
    Ok(Answer {
        text: format!("memory {}: {outcome}", quoted(&memory.name)),
        structured: json!({ "name": memory.name, "outcome": outcome }),
    })
}

async fn delete_memory(
    orchestrator: &Orchestrator,
    caller: &Caller,
    arguments: Map<String, Value>,
) -> Result<Answer, Failure> {
    let DeleteMemory { name } = read(arguments)?;
    orchestrator.delete_memory(&name, caller).await?;
    Ok(Answer {
        text: format!("memory {}: deleted", quoted(&name)),
        structured: json!({ "name": name }),
    })
}

async fn list_tools(
    orchestrator: &Orchestrator,
    caller: &Caller,
    arguments: Map<String, Value>,
) -> Result<Answer, Failure> {
    let ListTools { mcp_server } = read(arguments)?;
    let (tools, has_chat) = match caller.chat {
        Some(chat) => (orchestrator.chat_tools(chat, caller).await?, true),
        None => {
            let tools = orchestrator.gateway().tools(caller).into_iter();
            // Whether it is enabled is then not said.
            let view = |tool| ChatToolView {
                tool,
                enabled: false,
            };
            (tools.map(view).collect(), false)
        }
    };
    let tools = match mcp_server {
        None => tools,
        Some(server) => of_server(tools, &server)?,
    };
    let (shown, left_out) = shown(&tools, has_chat, TOOLS_BYTES_MAX);
    let mut listed = json!({ "tools": shown });
    if left_out != 0 {
        listed["left_out"] = left_out.into();
    }
    Ok(Answer::of(listed))
}

fn of_server(tools: Vec<ChatToolView>, server: &str) -> Result<Vec<ChatToolView>, Failure> {
    let mut servers: Vec<&ServerSlug> = tools.iter().map(|it| &it.tool.server).collect();
    servers.dedup();
    if !servers.iter().any(|it| it.as_str() == server) {
        let more = match servers.len().saturating_sub(SERVERS_SHOWN_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let names: Vec<String> = servers
            .iter()
            .take(SERVERS_SHOWN_MAX)
            .map(|it| format!("`{it}`"))
            .collect();
        let reason = format!(
            "there is no server {} with tools; there are {}{more}",
            quoted(server),
            names.join(", ")
        );
        return Err(Failure { reason });
    }
    let is_of_server = |it: &ChatToolView| it.tool.server.as_str() == server;
    Ok(tools.into_iter().filter(is_of_server).collect())
}

/// Says what tools there are in at most `bytes_max` bytes: the more of them the less of each, and of
/// what does not fit then, how many.
fn shown(tools: &[ChatToolView], has_chat: bool, bytes_max: usize) -> (Vec<Value>, usize) {
    let mut shown = Vec::new();
    for chars_max in DESCRIPTION_CHARS {
        shown.clear();
        let mut bytes = 0;
        for tool in tools {
            let value = one(tool, has_chat, chars_max);
            bytes += value.to_string().len() + 1;
            if bytes_max < bytes {
                break;
            }
            shown.push(value);
        }
        if shown.len() == tools.len() {
            break;
        }
    }
    let left_out = tools.len() - shown.len();
    (shown, left_out)
}

fn one(view: &ChatToolView, has_chat: bool, chars_max: usize) -> Value {
    let mut value = json!({ "id": view.tool.advertised, "server": view.tool.server });
    if has_chat {
        value["enabled"] = view.enabled.into();
    }
    let description = mcp::Object::parse(&view.tool.definition)
        .ok()
        .and_then(|it| it.text("description"));
    if let Some(text) = description.filter(|it| chars_max != 0 && !it.is_empty()) {
        // What a person does not see, a model is not to read.
        let text = show_hidden(&text);
        let mut short: String = text.chars().take(chars_max).collect();
        if short.len() < text.len() {
            short.push('…');
        }
        value["description"] = short.into();
    }
    value
}

async fn choose(
    orchestrator: &Orchestrator,
    caller: &Caller,
    arguments: Map<String, Value>,
    enable: bool,
) -> Result<Answer, Failure> {
    let ChooseTools { tool_ids } = read(arguments)?;
    let chat = chat_of(caller)?;
    if !(1..=TOOL_IDS_MAX).contains(&tool_ids.len()) {
        let reason = format!(
            "`tool_ids` has 1 to {TOOL_IDS_MAX} ids, here are {}",
            tool_ids.len()
        );
        return Err(Failure { reason });
    }
    let (word, selection) = match enable {
        true => ("enabled", enabling(tool_ids.clone())),
        false => ("disabled", disabling(tool_ids.clone())),
    };
    let chosen = orchestrator
        .choose(chat, selection, IfAlready::Refuse, caller)
        .await?;
    chosen.map_err(|bad| Failure {
        reason: bad.to_text(),
    })?;
    let names: Vec<String> = tool_ids.iter().map(|it| quoted(it)).collect();
    Ok(Answer {
        text: format!("{word} in this chat: {}", names.join(", ")),
        structured: json!({ (word): tool_ids }),
    })
}

fn enabling(enable: Vec<String>) -> ToolSelection {
    let disable = Vec::new();
    ToolSelection { enable, disable }
}

fn disabling(disable: Vec<String>) -> ToolSelection {
    let enable = Vec::new();
    ToolSelection { enable, disable }
}

fn chat_of(caller: &Caller) -> Result<ChatId, Failure> {
    caller.chat.ok_or_else(|| Failure {
        reason: "this call belongs to no chat, and which tools there are is a chat's own choice; connect to the address with `?chat=ID` at its end, where ID is one of your chats"
            .to_owned(),
    })
}

fn read<T: DeserializeOwned>(arguments: Map<String, Value>) -> Result<T, Failure> {
    let read = serde_json::from_value(Value::Object(arguments));
    read.map_err(|err| Failure {
        reason: format!("the arguments are not understood: {err}"),
    })
}

impl Answer {
    fn of(structured: Value) -> Self {
        Self {
            text: structured.to_string(),
            structured,
        }
    }
}

impl From<Error> for Failure {
    fn from(err: Error) -> Self {
        if let Error::Internal(source) = &err {
            tracing::error!(
                error = source.as_ref() as &dyn std::error::Error,
                "A tool of the built-in server failed"
            );
        }
        let reason = match &err {
            Error::Invalid {
                reason,
                hint: Some(hint),
            } => format!("{reason}; {hint}"),
            Error::Internal(_) => "internal error; the program's log says more".to_owned(),
            other => error_chain(other),
        };
        Self { reason }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::{ServerId, Standing, ToolPin};
    use gateway::ToolView;
    use serde_json::value::RawValue;

    use super::*;

    fn tools(count: usize, description: &str) -> Vec<ChatToolView> {
        let one = |number: usize| {
            let name = format!("tool{number:04}");
            let json = json!({ "name": name, "description": description }).to_string();
            let definition: Arc<RawValue> = RawValue::from_string(json).unwrap().into();
            let tool = ToolView {
                server_id: ServerId::built_in(),
                server: ServerSlug::new("many").unwrap(),
                advertised: format!("many__{name}"),
                name,
                pin: ToolPin::of(&definition),
                definition,
                standing: Standing::Pinned { looked_at: true },
                setting: None,
                is_read_only: false,
            };
            let enabled = number.is_multiple_of(2);
            ChatToolView { tool, enabled }
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn the_more_tools_the_less_is_said_of_each() {
        let said = |count, bytes_max| shown(&tools(count, &"ä".repeat(1_000)), true, bytes_max);
        let length = |value: &Value| value["description"].as_str().map(|it| it.chars().count());
        let (few, left_out) = said(3, 64 << 10);
        assert_eq!((few.len(), left_out), (3, 0));
        assert_eq!(length(&few[0]), Some(301));
        let (more, left_out) = said(200, 64 << 10);
        assert_eq!((more.len(), left_out), (200, 0));
        assert_eq!(length(&more[0]), Some(81));
        let (many, left_out) = said(2_000, 64 << 10);
        assert_eq!(length(&many[0]), None);
        assert!(500 < many.len() && many.len() + left_out == 2_000);
        assert!(Value::from(many).to_string().len() <= 64 << 10);
    }

    #[test]
    fn a_tool_is_enabled_only_where_there_is_a_chat() {
        let (with, _) = shown(&tools(2, "does it\u{200b}"), true, 1_000);
        assert_eq!(
            Value::from(with).to_string(),
            r#"[{"description":"does it⟨U+200B⟩","enabled":true,"id":"many__tool0000","server":"many"},{"description":"does it⟨U+200B⟩","enabled":false,"id":"many__tool0001","server":"many"}]"#
        );
        let (without, _) = shown(&tools(1, ""), false, 1_000);
        assert_eq!(
            Value::from(without).to_string(),
            r#"[{"id":"many__tool0000","server":"many"}]"#
        );
    }
}
