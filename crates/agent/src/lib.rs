//! The model side: what a person's message goes to, and the turn in which a model calls tools.
//!
//! ```text
//!              Conversation (system, messages, this run)
//!                   │
//! run_turn ──step──> Model ──request──> Codec ──bytes──> provider
//!    │  ^             │                  ^ │
//!    │  └─ModelEvent──┘                  └─┴── pure: knows the wire, does no IO
//!    │
//!    ├──call──> Tools (a trait: who has them fills it)
//!    └──RunEvent──> Log (a trait: durable first) ──fold──> RunState ──> ui::chunks
//! ```
//!
//! A run is a function of its log: [`RunState`] is the fold of its [`RunEvent`]s and nothing else,
//! so a turn goes on from any state that was ever stored, whoever stored it and however it ended.
//! That is why what the loop decides by is in the state, and what it does is in the log first.
//!
//! Providers differ in their wire formats only. A codec is a state machine apart from all IO that
//! makes a request's body and reads the pieces of an answer, whatever the pieces are.
//!
//! **Invariant:** this crate knows no store, no gateway and no HTTP server. Tools are a trait, and
//! so is the log.
//!
//! **Invariant:** a tool's call is in the log before it is sent, and what was sent is never sent
//! again by itself. Without a result its outcome is unknown, and the model is told so.
//!
//! **Invariant:** what a tool, a model or a person's "no" makes fail is a result that the model can
//! use. Only the log's failure ends a turn without an end in the log.
//!
//! **Invariant:** names and schemas are made fit for a provider here and turned back here. Nobody
//! else sees a provider's names.

mod codec;
mod conversation;
mod error;
mod event;
mod fit;
mod log;
mod model;
mod provider;
mod refusal;
mod settings;
mod settle;
mod state;
mod tokens;
mod tools;
mod turn;
pub mod ui;
mod validate;

pub use crate::codec::{Codec, ContextSettings, Encoded, Ollama, OllamaModel, OpenAiChat, Target};
pub use crate::conversation::{
    Answer, AnswerPart, AssistantPart, Conversation, HistoryItem, Message, UserPart,
};
pub use crate::error::{ModelError, ModelErrorKind};
pub use crate::event::{
    ElicitationAction, FinishReason, NoticeKind, Question, RefusedWhy, RunEnd, RunEvent, Usage,
    joined,
};
pub use crate::fit::result::{Bounded, ResultBounds, bound_result};
pub use crate::fit::{
    name::{fit_name, provider_names},
    schema::{fit_description, fit_schema},
};
pub use crate::log::{Log, LogError};
pub use crate::model::{Model, ModelEvent, ModelOptions, ModelRequest, ModelStream, ModelTool};
pub use crate::provider::{
    BaseUrlError, Candidate, ClientSettings, Found, ModelClient, ModelInfo, Provider, ProviderKind,
    ProviderModel, TestReport, base_url, candidates, discover,
};
pub use crate::settings::TurnSettings;
pub use crate::settle::{crash_events, end_events, resume_events};
pub use crate::state::{Answered, Approval, ApprovalAnswer, Call, CallState, Part, RunState, Text};
pub use crate::tokens::{estimate_conversation, estimate_request, estimate_text, estimate_tool};
pub use crate::tools::{
    Progress, ProgressSink, ToolCall, ToolOutcome, ToolResult, ToolSpec, Tools,
};
pub use crate::turn::{Turn, TurnEnd, run_turn};
pub use crate::validate::mismatches;
