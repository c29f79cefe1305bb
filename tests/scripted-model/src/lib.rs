//! A model that plays scenarios: for tests, and for whoever wants to see the program without a model.
//!
//! ```text
//! POST /v1/chat/completions ──┐                       ┌── a test's script, by the model's name
//! POST /api/chat ─────────────┼─> Conversation ─> Turn┼── `scenario:<name>`
//!   (GET /v1/models, /api/…)  │                       └── `demo`: by the last message and the tools
//!                             └─< Acts, in either API's words, at a pace, on one connection
//! ```
//!
//! It speaks OpenAI's chat completions API and Ollama's native one, streamed and whole, on loopback.
//! What is answered is decided once, as data ([`Turn`]); [`openai`] and [`ollama`] only write it down.
//! That is a pure function, so a test can compare every byte, and only `play` knows time.
//!
//! `demo` looks at what the person has said and at the tools on offer, calls those that fit, and tells
//! what came of it. It has no memory but the conversation and no chance in it: the same messages give
//! the same answer. It says of itself that it is no AI.
//!
//! A fake is stricter than the real thing: a request that some real server would refuse (a result
//! without its call, a name with a dot) is refused here, whichever scenario was asked for.
//!
//! **Invariant:** it listens on loopback only, and knows nothing of the program: it uses none of its
//! crates.
//!
//! **Invariant:** no task outlives [`ScriptedModel::stop`], however many clients are still reading.

mod conversation;
mod demo;
mod ollama;
mod openai;
mod play;
mod requests;
mod scenarios;
mod server;
mod turn;
mod wire;

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

use tokio::{net::TcpListener, sync::watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use crate::conversation::{Call, Conversation, Done, Message, Tool, own_name};
pub use crate::demo::answer as demo;
pub use crate::requests::{REQUEST_BYTES_MAX, REQUESTS_MAX, Request};
pub use crate::scenarios::{PREFIX, SCENARIOS, Scenario};
pub use crate::turn::{Answer, Dialect, Pace, Refusal, Step, ToolCall, Turn, Usage};

use crate::{requests::Requests, server::Shared};

/// The model that everybody meets first.
pub const DEMO: &str = "demo";

/// How the server is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// On loopback; 0 is any that is free.
    pub port: u16,
    /// Of all answers that have none of their own.
    pub pace: Pace,
    /// Without it in `Authorization: Bearer`, requests are refused.
    pub api_key: Option<String>,
    /// The scenarios are in the lists of models, too. They can be asked for in any case.
    pub list_scenarios: bool,
    /// Of a request, in bytes.
    pub request_bytes_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            pace: Pace::FAST,
            api_key: None,
            list_scenarios: false,
            request_bytes_max: 128 << 20,
        }
    }
}

/// What there is now, and has been. Tests wait for a level of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// All requests so far, whatever for.
    pub requests: u64,
    /// Requests for an answer of a model, so far.
    pub chats: u64,
    pub open_connections: usize,
    /// Answers that are being written, those that stall among them.
    pub open_answers: usize,
}

/// A server that is running, until it is stopped or dropped.
#[derive(Debug)]
pub struct ScriptedModel {
    /// For instance `http://127.0.0.1:4321`, without a slash at the end.
    pub url: String,
    shared: Arc<Shared>,
    stop: CancellationToken,
    tasks: TaskTracker,
    thread: Option<JoinHandle<()>>,
}

/// What a model that a test has named answers.
#[derive(Clone)]
pub(crate) enum Script {
    /// One after the other; after the last an error, or the first again.
    Turns {
        turns: Vec<Turn>,
        next: usize,
        forever: bool,
    },
    By(Arc<dyn Fn(&Conversation) -> Turn + Send + Sync>),
}

impl ScriptedModel {
    /// Starts a server in this runtime.
    ///
    /// # Errors
    ///
    /// When the port is taken.
    pub async fn start(options: Options) -> io::Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
        let listener = TcpListener::bind(address).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared::new(options));
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let accept = server::accept(listener, shared.clone(), tasks.clone(), stop.clone());
        tasks.spawn(accept);
        tasks.close();
        Ok(Self {
            url,
            shared,
            stop,
            tasks,
            thread: None,
        })
    }

    /// Starts a server in a thread of its own, for whoever has no runtime or one with paused time.
    ///
    /// # Errors
    ///
    /// When the port is taken, or the machine has no thread left.
    pub fn start_in_thread(options: Options) -> io::Result<Self> {
        let (started, model) = std::sync::mpsc::channel();
        let builder = std::thread::Builder::new().name("scripted-model".to_owned());
        let thread = builder.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let run = |runtime: tokio::runtime::Runtime| {
                let model = runtime.block_on(Self::start(options))?;
                let (stop, tasks) = (model.stop.clone(), model.tasks.clone());
                Ok((runtime, stop, tasks, model))
            };
            match runtime.and_then(run) {
                Ok((runtime, stop, tasks, model)) => {
                    // If nobody takes it, it is dropped, and stops.
                    drop(started.send(Ok(model)));
                    runtime.block_on(stop.cancelled());
                    runtime.block_on(tasks.wait());
                }
                Err(err) => drop(started.send(Err(err))),
            }
        })?;
        let mut model = model.recv().map_err(io::Error::other)??;
        model.thread = Some(thread);
        Ok(model)
    }

    /// Returns the base address of OpenAI's API, as clients are given it.
    pub fn openai_url(&self) -> String {
        format!("{}/v1", self.url)
    }

    /// Has this model give these answers, one for each request. After the last one it answers with
    /// status 500, since a test has asked for more than it meant to.
    pub fn script(&self, model: &str, turns: Vec<Turn>) {
        self.set(model, turns, false);
    }

    /// Has this model give these answers again and again.
    pub fn script_forever(&self, model: &str, turns: Vec<Turn>) {
        self.set(model, turns, true);
    }

    /// Has this model answer what `decide` returns.
    pub fn script_by(
        &self,
        model: &str,
        decide: impl Fn(&Conversation) -> Turn + Send + Sync + 'static,
    ) {
        let script = Script::By(Arc::new(decide));
        locked(&self.shared.scripts).insert(model.to_owned(), script);
    }

    /// Lets all answers pass [`Step::Hold`] of this name, from now on.
    pub fn release(&self, name: &str) {
        self.shared.released.send_modify(|it| {
            it.insert(name.to_owned());
        });
    }

    /// Returns what was asked so far, the last [`REQUESTS_MAX`] of it.
    pub fn requests(&self) -> Vec<Request> {
        locked(&self.shared.requests).all()
    }

    /// Returns the bodies of the requests for answers so far.
    pub fn chats(&self) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(|it| server::is_chat(&it.path));
        requests
    }

    /// Returns what there is now; `wait_for` on it waits for a level.
    pub fn counts(&self) -> watch::Receiver<Counts> {
        self.shared.counts.subscribe()
    }

    /// Stops at once, whoever is still reading, and returns when all tasks have ended.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }

    fn set(&self, model: &str, turns: Vec<Turn>, forever: bool) {
        let script = Script::Turns {
            turns,
            next: 0,
            forever,
        };
        locked(&self.shared.scripts).insert(model.to_owned(), script);
    }
}

impl Drop for ScriptedModel {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed, and this may be the unwinding of another one.
            drop(thread.join());
        }
    }
}

/// A panic while it was held has changed nothing halfway: each change is one call.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) type Scripts = Mutex<HashMap<String, Script>>;
pub(crate) type Kept = Mutex<Requests>;
