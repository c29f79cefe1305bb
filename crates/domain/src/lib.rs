//! The vocabulary of the system: what things are called, and the rules that hold for them.
//!
//! Every other crate speaks in these types. A type belongs here when two crates need it, and a
//! function belongs here when it is a rule about such types that needs no input or output.
//!
//! **Invariant:** this crate does no IO and is not async. It reads no clock, no file, no
//! environment variable and no random source; a caller that has one passes its result in.
//!
//! **Invariant:** the types here are not the API's. The shapes that a browser sees live in
//! `server`. Two forms are kept here because both ends of them are ours: [`wire`], which the bridge
//! inside a sandbox and the host speak, and the stored form of a [`ServerSpec`], which `serde`
//! derives and a test pins.

mod access;
mod clock;
mod hash;
mod header_name;
mod hidden_text;
mod host_port;
mod id;
mod pin;
mod policy;
mod principal;
mod sandbox_spec;
mod secret;
mod server_spec;
mod tool_name;
pub mod wire;

pub use crate::access::{Access, Caller, CallerKind, ToolRule};
pub use crate::clock::{Clock, Timestamp};
pub use crate::hash::{CanonicalForm, SpecHash};
pub use crate::header_name::{HeaderName, HeaderNameError};
pub use crate::hidden_text::{HiddenCharacter, hidden_characters, show_hidden};
pub use crate::host_port::{HostPort, HostPortError};
pub use crate::id::{
    ApprovalId, ChatId, GrantId, Id, InstallId, InstanceId, MessageId, ProviderId, RuleId, RunId,
    SecretId, ServerId, TokenId, kind,
};
pub use crate::pin::{ToolPin, ToolPinError, canonical_sha256, is_ambiguous};
pub use crate::policy::{Effect, PolicyRule, Standing, ToolChanges, ToolGlob, ToolGlobError};
pub use crate::principal::{IsolationKey, PrincipalError, PrincipalName};
pub use crate::sandbox_spec::{DesiredSandbox, Limits, MountSource, SandboxMount, SandboxSpec};
pub use crate::secret::Secret;
pub use crate::server_spec::{
    BuildScripts, EnvName, EnvNameError, FolderAccess, HostFolder, Isolation, PackageRef, Registry,
    SandboxKey, ServerSpec, Source,
};
pub use crate::tool_name::{
    QUALIFIED_LEN_MAX, QualifiedToolName, SLUG_LEN_MAX, ServerSlug, ToolNameError, advertised_name,
};
