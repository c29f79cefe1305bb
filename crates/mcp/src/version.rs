//! Protocol versions of the `initialize` era.

/// The versions that are spoken, oldest first.
pub const INITIALIZE_ERA: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
/// The newest of them, which is asked for and offered.
pub const LATEST: &str = "2025-11-25";
/// The version that had batches; those before and after have none.
pub const WITH_BATCHES: &str = "2025-03-26";
/// What a client speaks over HTTP that does not say (2025-11-25, Transports, "Protocol Version
/// Header").
pub const ASSUMED: &str = "2025-03-26";

/// Returns the version to answer a client with that asked for `requested`: the same where it is
/// spoken, else the newest, which the client may then refuse.
pub fn negotiate(requested: &str) -> &'static str {
    supported(requested).unwrap_or(LATEST)
}

/// Returns `version` where it is spoken.
pub fn supported(version: &str) -> Option<&'static str> {
    INITIALIZE_ERA.into_iter().find(|it| *it == version)
}
