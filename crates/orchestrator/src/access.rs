//! Who gets in: tokens of clients, links and sessions of browsers.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use domain::{Access, Caller, CallerKind, PrincipalName, Secret, Timestamp, TokenId};
use store::{AuditEvent, NewToken, StoredToken, TokenKind};
use tokio::sync::watch;

use crate::{Error, Orchestrator, Shared, audit};

/// How often it is written down when tokens were used last.
const LAST_USED_PERIOD: Duration = Duration::from_secs(30);
/// How long a link to the UI can be used, once.
const LOGIN_LINK_MS: u64 = 60_000;
/// How long a browser stays signed in.
const WEB_SESSION_MS: u64 = 30 * 24 * 60 * 60 * 1_000;
const TOKEN_NAME_LEN_MAX: usize = 64;
/// Tokens that were looked up and are remembered, so that a call asks no database.
const REMEMBERED_MAX: usize = 1_024;

/// A client that is to get in.
#[derive(Debug, Clone)]
pub struct NewClient {
    pub name: String,
    pub principal: PrincipalName,
    pub access: Access,
}

/// A token that was just made. Its text is shown once and not kept.
#[derive(Debug)]
pub struct CreatedToken {
    pub id: TokenId,
    pub text: Secret<String>,
}

/// Tokens that came in lately.
#[derive(Default)]
pub(crate) struct UsedTokens {
    state: Mutex<Used>,
}

#[derive(Default)]
struct Used {
    // Invariant: at most REMEMBERED_MAX, by hash; none of them revoked.
    callers: HashMap<String, Caller>,
    last_used: HashMap<TokenId, Timestamp>,
    /// How often a token was forgotten.
    forgotten: u64,
}

impl Orchestrator {
    /// Returns who a token stands for, `None` for one that is unknown or revoked.
    pub async fn caller_of_token(&self, token: &str) -> Result<Option<Caller>, Error> {
        let shared = &self.shared;
        let hash = auth::TokenHash::of(token).to_string();
        if let Some(caller) = shared.used_tokens.remembered(&hash, shared.now()) {
            return Ok(Some(caller));
        }
        let forgotten = shared.used_tokens.forgotten();
        let found = shared
            .store
            .token_by_hash(&hash)
            .await
            .map_err(Error::of_store)?;
        let Some(stored) = found else {
            return Ok(None);
        };
        let caller = Caller {
            principal: stored.principal,
            token: Some(stored.id),
            kind: match stored.kind {
                TokenKind::Owner => CallerKind::Person,
                TokenKind::Client => CallerKind::Client,
            },
            chat: None,
            access: stored.access,
        };
        shared
            .used_tokens
            .remember(hash, caller.clone(), shared.now(), forgotten);
        Ok(Some(caller))
    }

    /// Makes a token for a client.
    pub async fn create_token(
        &self,
        client: NewClient,
        by: &Caller,
    ) -> Result<CreatedToken, Error> {
        self.make_token(client, TokenKind::Client, by).await
    }

    /// Makes the token by which the command line gets in, in the place of a former one.
    pub async fn create_owner_token(&self, name: &str) -> Result<CreatedToken, Error> {
        let owner = Caller {
            principal: PrincipalName::owner(),
            token: None,
            kind: CallerKind::Person,
            chat: None,
            access: Access::default(),
        };
        let tokens = self.shared.store.tokens().await.map_err(Error::of_store)?;
        let former = tokens
            .into_iter()
            .filter(|it| it.name == name && it.revoked_at.is_none());
        for token in former {
            self.revoke(&token, &owner).await?;
        }
        let client = NewClient {
            name: name.to_owned(),
            principal: PrincipalName::owner(),
            access: Access::default(),
        };
        self.make_token(client, TokenKind::Owner, &owner).await
    }

    async fn make_token(
        &self,
        client: NewClient,
        kind: TokenKind,
        by: &Caller,
    ) -> Result<CreatedToken, Error> {
        let name = client.name.trim().to_owned();
        if name.is_empty() || TOKEN_NAME_LEN_MAX < name.chars().count() {
            return Err(Error::invalid(format!(
                "a token's name has 1 to {TOKEN_NAME_LEN_MAX} characters"
            )));
        }
        let (text, hash) = auth::new_credential(auth::CredentialKind::Token);
        let id = TokenId::from_uuid(uuid::Uuid::now_v7());
        let token = NewToken {
            id,
            name: name.clone(),
            hash: hash.to_string(),
            principal: client.principal,
            kind,
            access: client.access,
        };
        let audit = AuditEvent {
            principal: Some(by.principal.clone()),
            token: by.token,
            detail: Some(serde_json::json!({ "token": id, "name": name })),
            ..AuditEvent::new(self.shared.now(), "token.create")
        };
        let created = self.shared.store.create_token(&token, &audit).await;
        created.map_err(Error::of_store)?;
        Ok(CreatedToken { id, text })
    }

    /// Returns all tokens, the revoked ones included.
    pub async fn tokens(&self) -> Result<Vec<StoredToken>, Error> {
        let tokens = self.shared.store.tokens().await;
        let mut tokens = tokens.map_err(Error::of_store)?;
        self.shared.used_tokens.tell_last_used(&mut tokens);
        Ok(tokens)
    }

    /// Revokes the token with this name or identifier, and ends its sessions.
    pub async fn revoke_token(&self, name_or_id: &str, by: &Caller) -> Result<(), Error> {
        let tokens = self.tokens().await?;
        let mut live = tokens.into_iter().filter(|it| it.revoked_at.is_none());
        let found = live.find(|it| it.name == name_or_id || it.id.to_string() == name_or_id);
        let token = found.ok_or_else(|| Error::not_found(format!("token `{name_or_id}`")))?;
        self.revoke(&token, by).await
    }

    async fn revoke(&self, token: &StoredToken, by: &Caller) -> Result<(), Error> {
        let audit = AuditEvent {
            principal: Some(by.principal.clone()),
            token: by.token,
            detail: Some(serde_json::json!({ "token": token.id, "name": token.name })),
            ..AuditEvent::new(self.shared.now(), "token.revoke")
        };
        let revoked = self.shared.store.revoke_token(token.id, &audit).await;
        revoked.map_err(Error::of_store)?;
        self.shared.used_tokens.forget(&token.hash);
        self.shared.revoked.send_replace(());
        self.gateway().end_sessions_of(token.id);
        let store = &self.shared.store;
        let now = self.shared.now();
        let grants = store.revoke_grants_of_token(token.id, now).await;
        for grant in grants.map_err(Error::of_store)? {
            self.gateway().remove_grant(grant);
        }
        let of = store::ApprovalsOf::Token(token.id);
        let closed = store.close_approvals(&of, now).await;
        let closed = closed.map_err(Error::of_store)?;
        self.shared.approvals.close(&self.shared, &closed).await;
        Ok(())
    }

    /// Makes what a link to the UI carries in its fragment: good once, for a minute.
    pub async fn create_login_link(&self) -> Result<Secret<String>, Error> {
        let (text, hash) = auth::new_credential(auth::CredentialKind::LoginLink);
        let expires = self.later(LOGIN_LINK_MS);
        let made = self
            .shared
            .store
            .create_login_link(&hash.to_string(), expires)
            .await;
        made.map_err(Error::of_store)?;
        self.note("session.link").await;
        Ok(text)
    }

    /// Takes a link's token and begins a browser's session. `None` when it is not good (any more).
    pub async fn redeem_login_link(&self, token: &str) -> Result<Option<Secret<String>>, Error> {
        let store = &self.shared.store;
        let hash = auth::TokenHash::of(token).to_string();
        let now = self.shared.now();
        let is_good = store
            .redeem_login_link(&hash, now)
            .await
            .map_err(Error::of_store)?;
        if !is_good {
            return Ok(None);
        }
        let (text, hash) = auth::new_credential(auth::CredentialKind::Session);
        let owner = PrincipalName::owner();
        let expires = self.later(WEB_SESSION_MS);
        let made = store
            .create_web_session(&hash.to_string(), &owner, expires)
            .await;
        made.map_err(Error::of_store)?;
        self.note("session.begin").await;
        Ok(Some(text))
    }

    /// Returns who a browser's session stands for.
    pub async fn caller_of_session(&self, cookie: &str) -> Result<Option<Caller>, Error> {
        let hash = auth::TokenHash::of(cookie).to_string();
        let session = self
            .shared
            .store
            .web_session(&hash, self.shared.now())
            .await;
        let session = session.map_err(Error::of_store)?;
        Ok(session.map(|it| Caller {
            principal: it.principal,
            token: None,
            kind: CallerKind::Person,
            chat: None,
            access: Access::default(),
        }))
    }

    /// Ends a browser's session.
    pub async fn end_web_session(&self, cookie: &str) -> Result<(), Error> {
        let hash = auth::TokenHash::of(cookie).to_string();
        let revoked = self.shared.store.revoke_web_session(&hash).await;
        if revoked.map_err(Error::of_store)? {
            self.note("session.end").await;
            self.shared.revoked.send_replace(());
        }
        Ok(())
    }

    /// Notes in the audit how the person in front of the program came in.
    async fn note(&self, kind: &'static str) {
        let event = audit::session_event(self.shared.now(), kind);
        self.shared.audit.push(event).await;
    }

    /// Returns what changes when a token or a session is revoked: who holds something open for a
    /// caller looks then whether that is still one.
    pub fn revocations(&self) -> watch::Receiver<()> {
        self.shared.revoked.subscribe()
    }

    fn later(&self, ms: u64) -> Timestamp {
        Timestamp {
            unix_ms: self.shared.now().unix_ms + ms,
        }
    }
}

impl UsedTokens {
    fn remembered(&self, hash: &str, now: Timestamp) -> Option<Caller> {
        let mut state = self
            .state
            .lock()
            .expect("no code panics while it holds the lock");
        let caller = state.callers.get(hash).cloned()?;
        if let Some(id) = caller.token {
            state.last_used.insert(id, now);
        }
        Some(caller)
    }

    fn forgotten(&self) -> u64 {
        let state = self.state.lock();
        state
            .expect("no code panics while it holds the lock")
            .forgotten
    }

    /// Remembers what a look into the store has found, unless a token was forgotten since the look
    /// began, when [`forgotten`](Self::forgotten) was `forgotten`: it may be this one.
    fn remember(&self, hash: String, caller: Caller, now: Timestamp, forgotten: u64) {
        let mut state = self
            .state
            .lock()
            .expect("no code panics while it holds the lock");
        if state.forgotten != forgotten {
            return;
        }
        if REMEMBERED_MAX <= state.callers.len() {
            state.callers.clear();
        }
        if let Some(id) = caller.token {
            state.last_used.insert(id, now);
        }
        state.callers.insert(hash, caller);
    }

    fn forget(&self, hash: &str) {
        let mut state = self
            .state
            .lock()
            .expect("no code panics while it holds the lock");
        state.callers.remove(hash);
        state.forgotten += 1;
    }

    /// Puts in what is not written down yet: somebody may be looking whether an app has come in.
    fn tell_last_used(&self, tokens: &mut [StoredToken]) {
        let state = self
            .state
            .lock()
            .expect("no code panics while it holds the lock");
        for token in tokens {
            let used = state.last_used.get(&token.id).copied();
            token.last_used_at = token.last_used_at.max(used);
        }
    }

    fn take(&self) -> Vec<(TokenId, Timestamp)> {
        let mut state = self
            .state
            .lock()
            .expect("no code panics while it holds the lock");
        state.last_used.drain().collect()
    }
}

/// Writes down when tokens were used last, now and then and at the end.
pub(crate) async fn keep_last_used(shared: Arc<Shared>) {
    let mut is_over = false;
    while !is_over {
        tokio::select! {
            () = shared.shutdown.cancelled() => is_over = true,
            () = tokio::time::sleep(LAST_USED_PERIOD) => {}
        }
        if let Err(err) = shared.store.touch_tokens(shared.used_tokens.take()).await {
            tracing::warn!(
                error = &err as &dyn std::error::Error,
                "When tokens were used last is not written down"
            );
        }
    }
}

#[cfg(test)]
mod tests;
