use std::{error::Error, io::Write};

/// Writes one line to standard error, which is the container's log.
pub fn report(what: &str, err: &dyn Error) {
    let line = format!("bridge: {what}: {err}\n");
    // Nobody is left to be told when the log itself cannot be written.
    std::io::stderr().write_all(line.as_bytes()).ok();
}
