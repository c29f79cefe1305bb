use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    event::NoticeKind,
    fit::{
        name::{fit_name, provider_names},
        schema::{fit_description, fit_schema},
    },
    model::ModelTool,
    tools::ToolSpec,
};

/// Names told to a model that calls a tool that is not there.
const NAMES_TOLD_MAX: usize = 30;
/// What is kept of a name that a model made up.
const NAME_BYTES_MAX: usize = 128;

/// The tools of one step, as people see them and as the model does.
#[derive(Debug, Default)]
pub(super) struct Offer {
    tools: Vec<Offered>,
    pub(super) left_out: usize,
}

#[derive(Debug)]
struct Offered {
    spec: ToolSpec,
    provider_name: String,
}

/// What a model's name for a tool stands for.
pub(super) struct Named<'a> {
    /// The name that people see.
    pub(super) tool: String,
    pub(super) provider_name: String,
    pub(super) spec: Option<&'a ToolSpec>,
}

impl Offer {
    /// Takes the first `tools_max` of `tools`. Of two with one name the first counts.
    pub(super) fn new(tools: Vec<ToolSpec>, tools_max: usize) -> Self {
        let mut seen = BTreeSet::new();
        let mut unique: Vec<ToolSpec> = tools
            .into_iter()
            .filter(|it| seen.insert(it.name.clone()))
            .collect();
        let left_out = unique.len().saturating_sub(tools_max);
        unique.truncate(tools_max);
        let names: Vec<&str> = unique.iter().map(|it| it.name.as_str()).collect();
        let names = provider_names(&names);
        let tools = unique.into_iter().zip(names);
        let tools = tools.map(|(spec, provider_name)| Offered {
            spec,
            provider_name,
        });
        Self {
            tools: tools.collect(),
            left_out,
        }
    }

    pub(super) fn model_tools(&self) -> Vec<ModelTool> {
        let tool = |it: &Offered| {
            let description = it.spec.description.as_deref().or(it.spec.title.as_deref());
            ModelTool {
                name: it.provider_name.clone(),
                description: fit_description(description.unwrap_or_default()),
                parameters: fit_schema(&it.spec.input_schema),
            }
        };
        self.tools.iter().map(tool).collect()
    }

    pub(super) fn notice(&self) -> Option<(NoticeKind, String)> {
        if self.left_out == 0 {
            return None;
        }
        let (left_out, kept) = (self.left_out, self.tools.len());
        let all = left_out + kept;
        Some((
            NoticeKind::ToolsLeftOut,
            format!(
                "the model gets the first {kept} of {all} tools, and {left_out} were left out; \
                 disable those that this chat does not need"
            ),
        ))
    }

    /// Finds the tool that a model means. What the model made up is made fit to be told back to it.
    pub(super) fn find(&self, name: &str) -> Named<'_> {
        let found = self
            .tools
            .iter()
            .find(|it| it.provider_name == name)
            .or_else(|| self.tools.iter().find(|it| it.spec.name == name));
        match found {
            Some(it) => Named {
                tool: it.spec.name.clone(),
                provider_name: it.provider_name.clone(),
                spec: Some(&it.spec),
            },
            None => Named {
                tool: name[..name.floor_char_boundary(NAME_BYTES_MAX)].to_owned(),
                provider_name: fit_name(name),
                spec: None,
            },
        }
    }

    pub(super) fn schema(&self, tool: &str) -> Option<&Value> {
        let found = self.tools.iter().find(|it| it.spec.name == tool);
        found.map(|it| &it.spec.input_schema)
    }

    /// Returns what a model is told that called `tool`, which is not there.
    pub(super) fn missing(&self, tool: &str) -> String {
        let mut names: Vec<&str> = self.tools.iter().map(|it| &*it.provider_name).collect();
        if names.is_empty() {
            return format!("there is no tool `{tool}`, nor any other; answer without tools");
        }
        let more = match names.len().saturating_sub(NAMES_TOLD_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        // Those that share most of its beginning come first.
        let shared = |it: &str| {
            it.bytes()
                .zip(tool.bytes())
                .take_while(|(a, b)| a == b)
                .count()
        };
        names.sort_by_key(|it| std::cmp::Reverse(shared(it)));
        names.truncate(NAMES_TOLD_MAX);
        let names = names.join(", ");
        format!("there is no tool `{tool}`; there are {names}{more}")
    }
}
