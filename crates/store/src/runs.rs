use domain::{ChatId, MessageId, ProviderId, RunId, Timestamp};

use crate::{
    MESSAGES_MAX, MessageState, NewMessage, QUEUED_MAX, Role, Store, StoreError,
    error::db,
    messages::{MessageRow, check_content, insert_message, searched},
    store::{check_size, corrupt, ms, number, storable, time},
};

/// The longest event of a run, in bytes.
pub const RUN_EVENT_BYTES_MAX: usize = 8 << 20;
/// The most events of one run, but for those that end it.
pub const RUN_EVENTS_MAX: u64 = 200_000;
/// Events that one statement inserts, within what the databases allow to bind.
const INSERT_EVENTS: usize = 1_000;
/// The most events of one page.
const PAGE_ROWS_MAX: u32 = 1_000;
/// Runs whose events one statement deletes, so that others that write need not wait long.
const PRUNE_RUNS: i64 = 20;

text_enum! {
    /// How far a run has come.
    RunState {
        Running = "running",
        /// It waits for a person, and no task is at work on it.
        Parked = "parked",
        Complete = "complete",
        /// A person has stopped it.
        Stopped = "stopped",
        Failed = "failed",
        /// The program ended in the middle of it.
        Interrupted = "interrupted",
    }
}

/// A run to be begun, and the answer that it will write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    pub id: RunId,
    pub answer: MessageId,
    pub model: String,
    pub provider: Option<ProviderId>,
}

/// What a run answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunOf {
    /// A new message at the end of what is shown. It waits in line while another run is under way,
    /// or others wait.
    New(NewMessage),
    /// A new message in the place of an earlier one of the person's, which stays beside it.
    Instead { of: MessageId, message: NewMessage },
    /// A message that is there: one that waits in line, or one to be answered once more.
    Existing(MessageId),
}

/// What beginning a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    Started(StoredRun),
    /// The message waits; [`Store::next_queued`] says when its turn has come.
    Queued,
    /// Another run is under way in the chat, and nothing was changed.
    Busy,
    /// There is no such chat, or no such message of the person's in it.
    NotFound,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRun {
    pub id: RunId,
    pub chat: ChatId,
    /// The message that it answers.
    pub message: MessageId,
    pub answer: MessageId,
    pub state: RunState,
    pub model: String,
    pub provider: Option<ProviderId>,
    /// The number of its last event; the first one has 1.
    pub last_seq: u64,
    /// Why it failed, JSON.
    pub error: Option<Box<str>>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What changes together with events that are appended; `None` leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunUpdate {
    pub state: Option<RunState>,
    /// JSON; at most 8 MiB.
    pub error: Option<Box<str>>,
    /// What the answer has in it now.
    pub answer: Option<AnswerContent>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerContent {
    /// Its parts, JSON; at most 16 MiB.
    pub content: Box<str>,
    /// What people search for; its first 256 KiB count.
    pub text: String,
}

/// What appending events came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// The number of the last event.
    Done(u64),
    /// The run is gone, has ended, or has another last event than expected, so that somebody else is
    /// at work on it. Nothing was written.
    Refused,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRunEvent {
    pub seq: u64,
    pub at: Timestamp,
    pub body: Box<str>,
}

/// Evaluates to what the chat is like, `None` if there is none. Whoever begins a run in it comes here
/// first and holds it, so what is read stays so.
macro_rules! read_place {
    ($tx:ident, $chat:expr, $of:expr, $now:expr) => {{
        let chat: ChatId = $chat;
        let lock = "UPDATE chats SET updated_at = $2 WHERE id = $1 RETURNING leaf";
        let found: Option<(Option<String>,)> = sqlx::query_as(lock)
            .bind(chat.to_string())
            .bind(ms($now))
            .fetch_optional(&mut *$tx)
            .await
            .map_err(db)?;
        let mut counts = [0_i64; 3];
        for (sql, count) in [
            "SELECT COUNT(*) FROM runs WHERE chat_id = $1 AND state IN ('running', 'parked')",
            "SELECT COUNT(*) FROM messages WHERE chat_id = $1 AND state = 'queued'",
            "SELECT COUNT(*) FROM messages WHERE chat_id = $1",
        ]
        .into_iter()
        .zip(&mut counts)
        {
            *count = sqlx::query_scalar(sql)
                .bind(chat.to_string())
                .fetch_one(&mut *$tx)
                .await
                .map_err(db)?;
        }
        let find = "SELECT parent_id, state FROM messages WHERE id = $1 AND chat_id = $2 AND role = 'user'";
        let earlier: Option<(Option<String>, String)> = sqlx::query_as(find)
            .bind($of.earlier().map(|it| it.to_string()))
            .bind(chat.to_string())
            .fetch_optional(&mut *$tx)
            .await
            .map_err(db)?;
        match found {
            Some((leaf,)) => Some(Place::of(leaf, counts, earlier)?),
            None => None,
        }
    }};
}

/// Inserts a run that begins, whose answer is the end of what is shown.
macro_rules! insert_run {
    ($tx:ident, $chat:expr, $message:expr, $run:expr, $now:expr) => {{
        let run: &NewRun = $run;
        let insert = "INSERT INTO runs (id, chat_id, message_id, answer_id, state, model, provider_id, last_seq, created_at, updated_at) VALUES ($1, $2, $3, $4, 'running', $5, $6, 0, $7, $7)";
        sqlx::query(insert)
            .bind(run.id.to_string())
            .bind($chat.to_string())
            .bind($message.to_string())
            .bind(run.answer.to_string())
            .bind(storable(&run.model))
            .bind(run.provider.map(|it| it.to_string()))
            .bind(ms($now))
            .execute(&mut *$tx)
            .await
            .map_err(db)?;
        sqlx::query("UPDATE chats SET leaf = $2 WHERE id = $1")
            .bind($chat.to_string())
            .bind(run.answer.to_string())
            .execute(&mut *$tx)
            .await
            .map_err(db)?;
    }};
}

impl RunState {
    /// Whether it is under way or waits. One chat has one such run.
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Running | Self::Parked)
    }
}

impl Store {
    /// Begins a run, if none is under way in the chat: the person's message, the answer that is still
    /// empty, and the run are written together. Else a new message is put in line.
    pub async fn begin_run(
        &self,
        chat: ChatId,
        of: &RunOf,
        run: &NewRun,
    ) -> Result<Begun, StoreError> {
        if let RunOf::New(message) | RunOf::Instead { message, .. } = of {
            check_content(&message.content)?;
        }
        let now = self.now();
        let begun = transaction!(self, tx => {
            let Some(place) = read_place!(tx, chat, of, now) else {
                return Ok(Begun::NotFound);
            };
            match next_step(of, &place)? {
                Step::Leave(begun) => return Ok(begun),
                Step::Queue(new) => {
                    insert_message!(tx, chat, new.row(None, MessageState::Queued), now);
                    Begun::Queued
                }
                Step::Start { message, parent, new } => {
                    if let Some(new) = new {
                        insert_message!(tx, chat, new.row(parent, MessageState::Sent), now);
                    } else {
                        // One that waited gets its place; for any other this changes nothing.
                        let sql = "UPDATE messages SET state = 'sent', parent_id = $2 WHERE id = $1";
                        sqlx::query(sql)
                            .bind(message.to_string())
                            .bind(parent.map(|it| it.to_string()))
                            .execute(&mut *tx)
                            .await
                            .map_err(db)?;
                    }
                    insert_message!(tx, chat, run.answer_row(message), now);
                    insert_run!(tx, chat, message, run, now);
                    Begun::Started(run.stored(chat, message, now))
                }
            }
        });
        Ok(begun)
    }

    /// Appends events to a run whose last one is `expected_last_seq`, and changes it: all, or
    /// nothing. So of two tasks that take a run for theirs, one is refused at its next event.
    pub async fn append_run_events(
        &self,
        run: RunId,
        expected_last_seq: u64,
        events: Vec<String>,
        update: &RunUpdate,
    ) -> Result<Appended, StoreError> {
        let last_seq = expected_last_seq + events.len() as u64;
        let ends = update.state.is_some_and(|it| !it.is_active());
        if RUN_EVENTS_MAX < last_seq && !ends {
            let (what, max) = ("events of this run", RUN_EVENTS_MAX);
            return Err(StoreError::TooMany { what, max });
        }
        for event in &events {
            check_size("an event of a run", event, RUN_EVENT_BYTES_MAX)?;
        }
        if let Some(error) = &update.error {
            check_size("an error of a run", error, RUN_EVENT_BYTES_MAX)?;
        }
        if let Some(answer) = &update.answer {
            check_content(&answer.content)?;
        }
        let now = self.now();
        let touch = "UPDATE chats SET updated_at = $2 WHERE id = (SELECT chat_id FROM runs WHERE runs.id = $1)";
        let advance = "UPDATE runs SET last_seq = $3, state = COALESCE($4, state), error = COALESCE($5, error), updated_at = $6 WHERE id = $1 AND last_seq = $2 AND state IN ('running', 'parked') RETURNING answer_id";
        transaction!(self, tx => {
            if *update != RunUpdate::default() {
                // Chats before all that is theirs, as everywhere, so that no two wait for each other.
                sqlx::query(touch)
                    .bind(run.to_string())
                    .bind(ms(now))
                    .execute(&mut *tx)
                    .await
                    .map_err(db)?;
            }
            let answer: Option<String> = sqlx::query_scalar(advance)
                .bind(run.to_string())
                .bind(number(expected_last_seq))
                .bind(number(last_seq))
                .bind(update.state.map(RunState::as_str))
                .bind(update.error.as_deref().map(storable))
                .bind(ms(now))
                .fetch_optional(&mut *tx)
                .await
                .map_err(db)?;
            let Some(answer_id) = answer else {
                return Ok(Appended::Refused);
            };
            let numbered: Vec<(i64, &String)> = (number(expected_last_seq) + 1..).zip(&events).collect();
            for events in numbered.chunks(INSERT_EVENTS) {
                sqlx::QueryBuilder::new("INSERT INTO run_events (run_id, seq, at, body) ")
                    .push_values(events, |mut row, (seq, body)| {
                        row.push_bind(run.to_string())
                            .push_bind(*seq)
                            .push_bind(ms(now))
                            .push_bind(storable(body));
                    })
                    .build()
                    .persistent(false)
                    .execute(&mut *tx)
                    .await
                    .map_err(db)?;
            }
            if let Some(answer) = &update.answer {
                sqlx::query("UPDATE messages SET content = $2, text = $3 WHERE id = $1")
                    .bind(answer_id)
                    .bind(storable(&answer.content))
                    .bind(searched(&answer.text))
                    .execute(&mut *tx)
                    .await
                    .map_err(db)?;
            }
        });
        Ok(Appended::Done(last_seq))
    }

    /// Begins a run again that is over and is the end of what is shown, if its whole log is there:
    /// it goes on after one more event.
    pub async fn reopen_run(
        &self,
        run: RunId,
        expected_last_seq: u64,
        event: &str,
    ) -> Result<Appended, StoreError> {
        check_size("an event of a run", event, RUN_EVENT_BYTES_MAX)?;
        let now = self.now();
        let last_seq = expected_last_seq + 1;
        let touch = "UPDATE chats SET updated_at = $2 WHERE id = (SELECT chat_id FROM runs WHERE runs.id = $1)";
        let reopen = "UPDATE runs SET state = 'running', last_seq = $3, error = NULL, updated_at = $4 WHERE id = $1 AND last_seq = $2 AND state NOT IN ('running', 'parked') AND EXISTS (SELECT 1 FROM chats WHERE chats.id = runs.chat_id AND chats.leaf = runs.answer_id) AND EXISTS (SELECT 1 FROM run_events WHERE run_events.run_id = $1 AND run_events.seq = 1) AND NOT EXISTS (SELECT 1 FROM runs AS others WHERE others.chat_id = runs.chat_id AND others.state IN ('running', 'parked'))";
        transaction!(self, tx => {
            sqlx::query(touch)
                .bind(run.to_string())
                .bind(ms(now))
                .execute(&mut *tx)
                .await
                .map_err(db)?;
            let reopened = sqlx::query(reopen)
                .bind(run.to_string())
                .bind(number(expected_last_seq))
                .bind(number(last_seq))
                .bind(ms(now))
                .execute(&mut *tx)
                .await
                .map_err(db)?
                .rows_affected();
            if reopened == 0 {
                return Ok(Appended::Refused);
            }
            sqlx::query("INSERT INTO run_events (run_id, seq, at, body) VALUES ($1, $2, $3, $4)")
                .bind(run.to_string())
                .bind(number(last_seq))
                .bind(ms(now))
                .bind(storable(event))
                .execute(&mut *tx)
                .await
                .map_err(db)?;
        });
        Ok(Appended::Done(last_seq))
    }

    /// Returns events of a run in their order: at most 1,000, after a number. Of a run that ended
    /// long ago there are none any more, and its answer has what they came to.
    pub async fn run_events(
        &self,
        run: RunId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<StoredRunEvent>, StoreError> {
        let sql = "SELECT seq, at, body FROM run_events WHERE run_id = $1 AND $2 < seq ORDER BY seq LIMIT $3";
        let rows: Vec<(i64, i64, String)> = reading!(self, pool => {
            sqlx::query_as(sql)
                .bind(run.to_string())
                .bind(number(after))
                .bind(i64::from(limit.min(PAGE_ROWS_MAX)))
                .fetch_all(pool)
                .await
                .map_err(db)?
        });
        let event = |(seq, at, body): (i64, i64, String)| StoredRunEvent {
            seq: seq.unsigned_abs(),
            at: time(at),
            body: body.into_boxed_str(),
        };
        Ok(rows.into_iter().map(event).collect())
    }

    pub async fn run(&self, id: RunId) -> Result<Option<StoredRun>, StoreError> {
        let row: Option<Row> = reading!(self, pool => {
            sqlx::query_as("SELECT * FROM runs WHERE id = $1")
                .bind(id.to_string())
                .fetch_optional(pool)
                .await
                .map_err(db)?
        });
        row.map(Row::into_run).transpose()
    }

    /// Returns the run that is under way or waits in a chat.
    pub async fn active_run(&self, chat: ChatId) -> Result<Option<StoredRun>, StoreError> {
        let sql = "SELECT * FROM runs WHERE chat_id = $1 AND state IN ('running', 'parked')";
        let row: Option<Row> = reading!(self, pool => {
            sqlx::query_as(sql)
                .bind(chat.to_string())
                .fetch_optional(pool)
                .await
                .map_err(db)?
        });
        row.map(Row::into_run).transpose()
    }

    /// Returns all runs of a chat, in the order in which they were begun.
    pub async fn runs_of(&self, chat: ChatId) -> Result<Vec<StoredRun>, StoreError> {
        let rows: Vec<Row> = reading!(self, pool => {
            sqlx::query_as("SELECT * FROM runs WHERE chat_id = $1 ORDER BY created_at, id")
                .bind(chat.to_string())
                .fetch_all(pool)
                .await
                .map_err(db)?
        });
        rows.into_iter().map(Row::into_run).collect()
    }

    /// Returns the runs that are in a state, in the order in which they were begun. After a start
    /// those that are `running` were interrupted.
    pub async fn runs_in_state(&self, state: RunState) -> Result<Vec<StoredRun>, StoreError> {
        let rows: Vec<Row> = reading!(self, pool => {
            sqlx::query_as("SELECT * FROM runs WHERE state = $1 ORDER BY created_at, id")
                .bind(state.as_str())
                .fetch_all(pool)
                .await
                .map_err(db)?
        });
        rows.into_iter().map(Row::into_run).collect()
    }

    /// Deletes the events of runs that ended before `before`: their answers have what they came to.
    /// Returns how many.
    pub async fn prune_run_events(&self, before: Timestamp) -> Result<u64, StoreError> {
        let sql = "DELETE FROM run_events WHERE run_id IN (SELECT id FROM runs WHERE state NOT IN ('running', 'parked') AND updated_at < $1 AND EXISTS (SELECT 1 FROM run_events old WHERE old.run_id = runs.id) LIMIT $2)";
        let mut deleted = 0;
        loop {
            let now: u64 = writing!(self, pool => {
                sqlx::query(sql)
                    .bind(ms(before))
                    .bind(PRUNE_RUNS)
                    .execute(pool)
                    .await
                    .map_err(db)?
                    .rows_affected()
            });
            deleted += now;
            if now == 0 {
                return Ok(deleted);
            }
        }
    }
}

/// What a chat is like where a run is to begin.
struct Place {
    leaf: Option<MessageId>,
    is_active: bool,
    queued: u64,
    messages: u64,
    /// What the earlier message follows that is named, and whether it waits.
    earlier: Option<(Option<MessageId>, bool)>,
}

impl Place {
    fn of(
        leaf: Option<String>,
        [active, queued, messages]: [i64; 3],
        earlier: Option<(Option<String>, String)>,
    ) -> Result<Self, StoreError> {
        let earlier = match earlier {
            Some((parent, state)) => {
                Some((parsed(parent)?, state == MessageState::Queued.as_str()))
            }
            None => None,
        };
        Ok(Self {
            leaf: parsed(leaf)?,
            is_active: active != 0,
            queued: queued.unsigned_abs(),
            messages: messages.unsigned_abs(),
            earlier,
        })
    }
}

enum Step<'a> {
    Leave(Begun),
    Queue(&'a NewMessage),
    Start {
        message: MessageId,
        parent: Option<MessageId>,
        /// The message, if it is not there yet.
        new: Option<&'a NewMessage>,
    },
}

fn next_step<'a>(of: &'a RunOf, place: &Place) -> Result<Step<'a>, StoreError> {
    if MESSAGES_MAX <= place.messages {
        let (what, max) = ("messages in this chat", MESSAGES_MAX);
        return Err(StoreError::TooMany { what, max });
    }
    Ok(match (of, place.earlier) {
        (RunOf::New(_), _) if QUEUED_MAX <= place.queued => {
            let (what, max) = ("messages that wait in this chat", QUEUED_MAX);
            return Err(StoreError::TooMany { what, max });
        }
        (RunOf::New(new), _) if place.is_active || place.queued != 0 => Step::Queue(new),
        (RunOf::New(new), _) => Step::Start {
            message: new.id,
            parent: place.leaf,
            new: Some(new),
        },
        (RunOf::Instead { .. }, None | Some((_, true))) | (RunOf::Existing(_), None) => {
            Step::Leave(Begun::NotFound)
        }
        (RunOf::Instead { .. } | RunOf::Existing(_), _) if place.is_active => {
            Step::Leave(Begun::Busy)
        }
        (RunOf::Instead { message, .. }, Some((parent, false))) => Step::Start {
            message: message.id,
            parent,
            new: Some(message),
        },
        (RunOf::Existing(message), Some((parent, is_queued))) => Step::Start {
            message: *message,
            parent: if is_queued { place.leaf } else { parent },
            new: None,
        },
    })
}

impl RunOf {
    /// Returns the message that has to be there.
    fn earlier(&self) -> Option<MessageId> {
        match self {
            Self::New(_) => None,
            Self::Instead { of, .. } => Some(*of),
            Self::Existing(message) => Some(*message),
        }
    }
}

impl NewMessage {
    fn row(&self, parent: Option<MessageId>, state: MessageState) -> MessageRow<'_> {
        MessageRow {
            id: self.id,
            parent,
            role: Role::User,
            content: &self.content,
            text: &self.text,
            run: None,
            state,
        }
    }
}

impl NewRun {
    fn answer_row(&self, message: MessageId) -> MessageRow<'_> {
        MessageRow {
            id: self.answer,
            parent: Some(message),
            role: Role::Assistant,
            content: "[]",
            text: "",
            run: Some(self.id),
            state: MessageState::Sent,
        }
    }

    fn stored(&self, chat: ChatId, message: MessageId, now: Timestamp) -> StoredRun {
        StoredRun {
            id: self.id,
            chat,
            message,
            answer: self.answer,
            state: RunState::Running,
            model: storable(&self.model),
            provider: self.provider,
            last_seq: 0,
            error: None,
            created_at: now,
            updated_at: now,
        }
    }
}

fn parsed(id: Option<String>) -> Result<Option<MessageId>, StoreError> {
    let message = |it: String| {
        it.parse()
            .map_err(|err| corrupt("message", &it)(Box::new(err)))
    };
    id.map(message).transpose()
}

row!(Row {
    id: String,
    chat_id: String,
    message_id: String,
    answer_id: String,
    state: String,
    model: String,
    provider_id: Option<String>,
    last_seq: i64,
    error: Option<String>,
    created_at: i64,
    updated_at: i64,
});

impl Row {
    fn into_run(self) -> Result<StoredRun, StoreError> {
        let corrupt = corrupt("run", &self.id);
        let run = || -> Result<StoredRun, Box<dyn std::error::Error + Send + Sync>> {
            Ok(StoredRun {
                id: self.id.parse()?,
                chat: self.chat_id.parse()?,
                message: self.message_id.parse()?,
                answer: self.answer_id.parse()?,
                state: RunState::of_text(&self.state).ok_or("an unknown state")?,
                model: self.model,
                provider: self.provider_id.map(|it| it.parse()).transpose()?,
                last_seq: self.last_seq.unsigned_abs(),
                error: self.error.map(String::into_boxed_str),
                created_at: time(self.created_at),
                updated_at: time(self.updated_at),
            })
        };
        run().map_err(corrupt)
    }
}
