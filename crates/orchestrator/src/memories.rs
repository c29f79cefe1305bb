//! What all chats of a principal are to know: set and deleted by people and by models, told to
//! everybody who looks, and offered to new chats as data.

mod prompt;

use domain::{Caller, PrincipalName};
use store::{AuditEvent, Memory, MemorySet};

use crate::{Error, Event, Orchestrator, Shared};

/// The longest name of a memory, in characters.
pub const MEMORY_NAME_CHARS_MAX: usize = 64;
/// The longest value of a memory, in bytes.
pub const MEMORY_VALUE_BYTES_MAX: usize = 4 << 10;

impl Orchestrator {
    /// Returns the memories of a principal, in the order of their names.
    pub async fn memories(&self, principal: &PrincipalName) -> Result<Vec<Memory>, Error> {
        let memories = self.shared.store.memories(principal).await;
        memories.map_err(Error::of_store)
    }

    /// Sets a memory of `by`'s principal. A name has 1 to [`MEMORY_NAME_CHARS_MAX`] characters, a
    /// value at most [`MEMORY_VALUE_BYTES_MAX`] bytes, and there are at most `memories_max`.
    pub async fn set_memory(
        &self,
        name: &str,
        value: &str,
        by: &Caller,
    ) -> Result<(Memory, MemorySet), Error> {
        check(name, value)?;
        let (this, by) = (self.clone(), by.clone());
        let (name, value) = (name.to_owned(), value.to_owned());
        self.to_its_end(async move { this.set_memory_now(&name, &value, &by).await })
            .await
    }

    async fn set_memory_now(
        &self,
        name: &str,
        value: &str,
        by: &Caller,
    ) -> Result<(Memory, MemorySet), Error> {
        let shared = &self.shared;
        // What is told is told in the order in which it was done.
        let _one_at_a_time = shared.remembering.lock().await;
        let max = shared.settings.memories_max;
        let audit = self.memory_event("memory.set", name, by);
        let set = shared
            .store
            .set_memory(&by.principal, name, value, max, &audit)
            .await;
        let set = set.map_err(|err| match err {
            store::StoreError::TooMany { max, .. } => Error::Conflict {
                reason: format!(
                    "there are {max} memories, which is the most (`memories_max`); delete one first"
                ),
            },
            err => Error::of_store(err),
        })?;
        // As it is stored, which need not be as it was given.
        let memories = self.memories(&by.principal).await?;
        let memory = memories.into_iter().find(|it| it.name == name);
        let memory = memory.ok_or_else(|| Error::not_found(format!("memory `{name}`")))?;
        if set != MemorySet::Unchanged {
            let event = Event::MemoryChanged {
                name: memory.name.clone(),
                value: memory.value.clone(),
                updated_at: memory.updated_at,
            };
            shared.events.publish_to(&by.principal, event);
        }
        Ok((memory, set))
    }

    /// Deletes a memory of `by`'s principal.
    pub async fn delete_memory(&self, name: &str, by: &Caller) -> Result<(), Error> {
        let (this, by, name) = (self.clone(), by.clone(), name.to_owned());
        self.to_its_end(async move {
            let shared = &this.shared;
            let _one_at_a_time = shared.remembering.lock().await;
            let audit = this.memory_event("memory.delete", &name, &by);
            let deleted = shared.store.delete_memory(&by.principal, &name, &audit);
            if !deleted.await.map_err(Error::of_store)? {
                return Err(Error::not_found(format!("memory `{}`", shown(&name))));
            }
            let event = Event::MemoryRemoved { name };
            shared.events.publish_to(&by.principal, event);
            Ok(())
        })
        .await
    }

    /// The value is not in it: the audit is kept for longer than what people want forgotten.
    fn memory_event(&self, kind: &'static str, name: &str, by: &Caller) -> AuditEvent {
        AuditEvent {
            chat: by.chat,
            detail: Some(serde_json::json!({ "name": shown(name) })),
            ..self.event(kind, by)
        }
    }
}

impl Shared {
    /// Returns what a model is told of a principal's memories: data between lines that no memory
    /// can forge, at most `memory_prompt_bytes_max` long. It is empty where there are none.
    pub(crate) async fn memory_prompt(&self, principal: &PrincipalName) -> Result<String, Error> {
        let memories = self.store.memories(principal).await;
        let memories = memories.map_err(Error::of_store)?;
        Ok(prompt::prompt(
            memories,
            self.settings.memory_prompt_bytes_max,
        ))
    }
}

fn check(name: &str, value: &str) -> Result<(), Error> {
    let chars = name.chars().count();
    if !(1..=MEMORY_NAME_CHARS_MAX).contains(&chars) {
        return Err(Error::invalid(format!(
            "a memory's name has 1 to {MEMORY_NAME_CHARS_MAX} characters, this one has {chars}"
        )));
    }
    if name.chars().any(char::is_control) || name.trim() != name {
        return Err(Error::invalid(format!(
            "a memory's name has no control characters and no space around it, `{}` has",
            name.escape_debug()
        )));
    }
    if MEMORY_VALUE_BYTES_MAX < value.len() {
        return Err(Error::invalid_with(
            format!(
                "a memory's value has at most {MEMORY_VALUE_BYTES_MAX} bytes, this one has {}",
                value.len()
            ),
            "say it in fewer words, or in several memories",
        ));
    }
    Ok(())
}

/// Returns the beginning of what somebody has given for a name.
fn shown(name: &str) -> String {
    name.chars().take(MEMORY_NAME_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
