//! Opening a page in the person's browser.

use std::{io::IsTerminal as _, process::Stdio};

use crate::config::Inputs;

/// Opens a browser if a person sits at the terminal and has a display. Returns whether it tried.
pub(super) fn open_from_terminal(inputs: &Inputs, url: &str) -> bool {
    std::io::stdout().is_terminal() && std::io::stdin().is_terminal() && open(inputs, url)
}

/// Opens a browser where there is a display. Returns whether one was started.
pub(crate) fn open(inputs: &Inputs, url: &str) -> bool {
    let has_display = cfg!(target_os = "macos")
        || inputs.variable("DISPLAY").is_some()
        || inputs.variable("WAYLAND_DISPLAY").is_some();
    if !has_display {
        return false;
    }
    let program = match cfg!(target_os = "macos") {
        true => "open",
        false => "xdg-open",
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "a browser is no server: it is the person's own program"
    )]
    let mut command = std::process::Command::new(program);
    command
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    match command.spawn() {
        Ok(mut child) => {
            // It may live as long as the browser, and longer than we do.
            std::thread::spawn(move || child.wait());
            true
        }
        Err(_) => false,
    }
}
