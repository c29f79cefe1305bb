//! The protocol: JSON-RPC as MCP uses it, carried and not re-modelled.
//!
//! A message is taken apart only as far as routing needs: its identifier, its method, and the raw
//! bytes of `params`, `result` or `error`. What is inside of those passes as it was sent; where one
//! field has to be another (a tool's name, a progress token), an [`Object`] replaces that field and
//! leaves the bytes of all others.
//!
//! ```text
//! bytes ──parse──> Message { id, method, params: &RawValue } ──> routing
//!                                      │
//!                                Object::parse ── set("name", …) ──> bytes
//! ```
//!
//! * [`message`]: the envelope, and how one is made.
//! * [`object`]: one level of a JSON object, to look at and to patch.
//! * [`version`]: which protocol versions there are, and what is agreed on.
//! * [`sse`]: the event stream format, both ways.
//! * [`transport`]: lines of a process, and streamable HTTP to a server elsewhere.
//!
//! **Invariant:** a field that is not known here arrives as it was sent, byte for byte.
//!
//! **Invariant:** what decides and what is forwarded are the same bytes: a key that stands twice in
//! an object that is looked at, or again in other letter case, is refused.

pub mod message;
pub mod object;
pub mod sse;
pub mod transport;
pub mod version;

pub use crate::message::{Message, ParseError, RpcError, code};
pub use crate::object::Object;
