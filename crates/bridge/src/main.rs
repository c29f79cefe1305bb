//! The bridge as a program. What it does is in the library of the same package.

use std::process::ExitCode;

use bridge::Settings;

/// As `sysexits.h` has it, and the rest of the system with it.
const EXIT_USAGE: u8 = 64;

fn main() -> ExitCode {
    if let Err(err) = bridge::conceal() {
        return fail("cannot make itself unreadable", &err, 1);
    }
    let settings = match Settings::from_args(std::env::args_os().skip(1)) {
        Ok(it) => it,
        Err(err) => return fail("wrong arguments", &err, EXIT_USAGE),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build();
    match runtime.and_then(|it| it.block_on(bridge::run(settings))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => fail("cannot start", &err, 1),
    }
}

fn fail(what: &str, err: &dyn std::error::Error, code: u8) -> ExitCode {
    bridge::report(what, err);
    ExitCode::from(code)
}
