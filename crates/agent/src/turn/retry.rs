use std::time::Duration;

use crate::{
    error::{ModelError, ModelErrorKind},
    settings::TurnSettings,
};

/// What is done about a request that failed before anything was written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Retry {
    After(Duration),
    WithoutTools,
    No,
}

/// Decides it. `attempt` counts the waits so far.
pub(super) fn retry(
    error: &ModelError,
    attempt: u32,
    has_tools: bool,
    settings: &TurnSettings,
) -> Retry {
    if error.kind == ModelErrorKind::NoToolSupport && has_tools {
        return Retry::WithoutTools;
    }
    if !error.is_transient() || settings.retries_max <= attempt {
        return Retry::No;
    }
    let own = settings.retry_wait_min.saturating_mul(1 << attempt.min(16));
    // "At once" is not meant so by a provider that has just said no.
    let wait = error
        .retry_after()
        .map_or(own, |it| it.max(settings.retry_wait_min));
    if settings.retry_wait_max < wait {
        Retry::No
    } else {
        Retry::After(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::{Retry, retry};
    use crate::{ModelError, ModelErrorKind, TurnSettings};
    use std::time::Duration;

    #[track_caller]
    fn check(kind: ModelErrorKind, wait_s: Option<u64>, attempt: u32, expected: Retry) {
        let mut error = ModelError::new(kind, "", "");
        error.retry_after_ms = wait_s.map(|it| it * 1_000);
        let settings = TurnSettings::default();
        assert_eq!(retry(&error, attempt, true, &settings), expected);
    }

    #[test]
    fn only_what_may_pass_by_itself_is_tried_again() {
        let after = |it| Retry::After(Duration::from_secs(it));
        check(ModelErrorKind::RateLimit, Some(12), 0, after(12));
        check(ModelErrorKind::RateLimit, Some(61), 0, Retry::No);
        check(ModelErrorKind::RateLimit, Some(12), 3, Retry::No);
        check(ModelErrorKind::RateLimit, Some(0), 0, after(1));
        check(ModelErrorKind::RateLimit, None, 0, after(1));
        check(ModelErrorKind::Overloaded, None, 2, after(4));
        check(ModelErrorKind::Key, None, 0, Retry::No);
        check(ModelErrorKind::Unreachable, None, 0, Retry::No);
        check(ModelErrorKind::NoToolSupport, None, 0, Retry::WithoutTools);
    }

    #[test]
    fn without_tools_there_is_nothing_to_leave_out() {
        let error = ModelError::new(ModelErrorKind::NoToolSupport, "", "");
        let settings = TurnSettings::default();
        assert_eq!(retry(&error, 0, false, &settings), Retry::No);
    }
}
