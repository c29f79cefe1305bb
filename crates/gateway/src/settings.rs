use std::time::Duration;

/// The gateway's bounds.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Sessions of clients at a time. When there are as many, the one that was not used for the
    /// longest time makes room, if it is not in use.
    pub sessions_max: usize,
    /// A session that nobody has used for so long is forgotten.
    pub session_idle: Duration,
    /// Requests of one session under way at a time.
    pub session_requests_max: usize,
    /// Messages to one client that it has not read yet.
    pub session_queue_max: usize,
    /// The same in bytes, for all streams of one session together. One message may be larger.
    pub session_queue_bytes_max: usize,
    /// What is kept for a client that has no stream open, in bytes.
    pub session_backlog_bytes_max: usize,
    /// Resources of which one session hears.
    pub session_subscriptions_max: usize,
    /// Questions of servers that one client has not answered yet.
    pub session_questions_max: usize,
    /// From the start of a conversation to the answer to `initialize`.
    pub handshake_timeout: Duration,
    /// For one page of a list.
    pub list_timeout: Duration,
    /// How long a call waits for the lists of a server that has just started, or whose lists have
    /// changed.
    pub list_wait: Duration,
    /// The least time between two readings of a server's lists that it asks for itself.
    pub list_period: Duration,
    pub list_pages_max: usize,
    pub list_entries_max: usize,
    pub list_bytes_max: usize,
    /// How long a client's call waits for a person's approval before it is answered that it does.
    pub approval_wait: Duration,
    /// How often a client that waits for an approval hears so.
    pub approval_progress_period: Duration,
    /// How long a client has for a question of a server.
    pub question_timeout: Duration,
    /// The longest that a call may take, whatever progress it reports.
    pub call_duration_max: Duration,
    /// A server that nobody has used for so long is stopped, unless it is kept warm.
    pub idle_stop: Duration,
    /// How long a server has to take its farewell.
    pub close_timeout: Duration,
    /// The wait after a conversation that failed; it doubles with each further one.
    pub backoff_min: Duration,
    pub backoff_max: Duration,
    /// A conversation that lasted so long ends the counting of failures.
    pub healthy_after: Duration,
    /// Messages to one server that it has not read yet; at least as many as its calls may be.
    pub upstream_queue_max: usize,
    /// Conversations with servers at a time.
    pub upstreams_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sessions_max: 10_000,
            session_idle: Duration::from_secs(24 * 60 * 60),
            session_requests_max: 256,
            session_queue_max: 256,
            session_queue_bytes_max: 16 << 20,
            session_backlog_bytes_max: 64 << 10,
            session_subscriptions_max: 256,
            session_questions_max: 64,
            handshake_timeout: Duration::from_secs(30),
            list_timeout: Duration::from_secs(20),
            list_wait: Duration::from_secs(5),
            list_period: Duration::from_secs(1),
            list_pages_max: 200,
            list_entries_max: 2_000,
            list_bytes_max: 8 << 20,
            approval_wait: Duration::from_secs(45),
            approval_progress_period: Duration::from_secs(5),
            question_timeout: Duration::from_secs(10 * 60),
            call_duration_max: Duration::from_secs(60 * 60),
            idle_stop: Duration::from_secs(10 * 60),
            close_timeout: Duration::from_secs(10),
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_secs(60),
            healthy_after: Duration::from_secs(30),
            upstream_queue_max: 512,
            upstreams_max: 1_000,
        }
    }
}
