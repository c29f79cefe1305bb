use std::{fmt, marker::PhantomData, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

/// An identifier of one kind of thing.
///
/// The kind is part of the type, so that a token's identifier cannot be passed where a server's is
/// wanted. It costs nothing at run time and is not part of the text form.
pub struct Id<K> {
    uuid: Uuid,
    kind: PhantomData<fn() -> K>,
}

/// The kinds that an [`Id`] can have. They have no values.
pub mod kind {
    #[derive(Debug)]
    pub enum Approval {}
    #[derive(Debug)]
    pub enum Chat {}
    #[derive(Debug)]
    pub enum Grant {}
    #[derive(Debug)]
    pub enum Install {}
    #[derive(Debug)]
    pub enum Instance {}
    #[derive(Debug)]
    pub enum Message {}
    #[derive(Debug)]
    pub enum Provider {}
    #[derive(Debug)]
    pub enum Rule {}
    #[derive(Debug)]
    pub enum Run {}
    #[derive(Debug)]
    pub enum Secret {}
    #[derive(Debug)]
    pub enum Server {}
    #[derive(Debug)]
    pub enum Token {}
}

/// Names one request for a person's approval of a call.
pub type ApprovalId = Id<kind::Approval>;
/// Names one chat.
pub type ChatId = Id<kind::Chat>;
/// Names one permission that a person has given.
pub type GrantId = Id<kind::Grant>;
/// Names one attempt to install a package. What it made bears this name.
pub type InstallId = Id<kind::Install>;
/// Names one installation of this program. What it makes outside of itself bears this name, so that
/// two on one machine never take each other's things for their own.
pub type InstanceId = Id<kind::Instance>;
/// Names one message of a chat.
pub type MessageId = Id<kind::Message>;
/// Names one place that models are asked at.
pub type ProviderId = Id<kind::Provider>;
/// Names one rule about tools.
pub type RuleId = Id<kind::Rule>;
/// Names one answer of a model, with all its calls of tools.
pub type RunId = Id<kind::Run>;
/// Names one sealed value in the vault.
pub type SecretId = Id<kind::Secret>;
/// Names one MCP server. It stays the same over restarts and upgrades.
pub type ServerId = Id<kind::Server>;
/// Names one token by which a client gets in. It is not the token.
pub type TokenId = Id<kind::Token>;

impl ServerId {
    /// Returns the identifier of the server that is built in, the same in every installation.
    pub const fn built_in() -> Self {
        Self::from_uuid(Uuid::from_u128(0x6172_6368_6573_7472_8000_0000_0000_0001))
    }
}

impl<K> Id<K> {
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self {
            uuid,
            kind: PhantomData,
        }
    }

    pub const fn as_uuid(&self) -> &Uuid {
        &self.uuid
    }

    /// Returns the first 12 hexadecimal digits, for names of files and containers that people read.
    pub fn short(&self) -> String {
        let mut text = self.uuid.as_simple().to_string();
        text.truncate(12);
        text
    }
}

impl<K> FromStr for Id<K> {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self::from_uuid)
    }
}

impl<K> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.uuid, f)
    }
}

impl<K> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<K> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.uuid)
    }
}

impl<'de, K> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

// Written out because a derive would ask `K` for the same traits, and a kind has none.
impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.uuid == other.uuid
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.uuid.cmp(&other.uuid)
    }
}
impl<K> std::hash::Hash for Id<K> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.uuid.hash(state);
    }
}
