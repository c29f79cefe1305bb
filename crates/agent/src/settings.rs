use std::time::Duration;

/// A turn's bounds.
#[derive(Debug, Clone, Copy)]
pub struct TurnSettings {
    /// How often the model is asked before somebody has to say that it may go on.
    pub turn_steps_max: u32,
    /// Calls of one step under way at a time.
    pub tool_calls_parallel_max: usize,
    /// Calls that a model may want in one step. The rest are refused.
    pub tool_calls_step_max: usize,
    /// Tools in one request. The rest are left out, and the person is told.
    pub tools_max: usize,
    /// What a model may write as the arguments of one call.
    pub tool_arguments_bytes_max: usize,
    /// What is kept of a call's result but its images.
    pub tool_result_bytes_max: usize,
    /// What is kept of the images of a call's result, encoded.
    pub tool_result_image_bytes_max: usize,
    /// Text and reasoning of one step together.
    pub answer_bytes_max: usize,
    /// Calls of tools that are not there before the turn ends.
    pub missing_tool_calls_max: u32,
    /// Progress of one call is kept this often at most.
    pub tool_progress_period: Duration,
    /// Progress of one call is kept at most so many times.
    pub tool_progress_max: u32,
    /// How often a provider that asks for patience is asked again.
    pub retries_max: u32,
    /// The longest wait that a provider may ask for without the turn's failing.
    pub retry_wait_max: Duration,
    /// The wait where the provider names none; it doubles.
    pub retry_wait_min: Duration,
    /// How long calls have to end by themselves when a turn is stopped.
    pub stop_grace: Duration,
}

impl Default for TurnSettings {
    fn default() -> Self {
        Self {
            turn_steps_max: 50,
            tool_calls_parallel_max: 8,
            tool_calls_step_max: 64,
            tools_max: 128,
            tool_arguments_bytes_max: 1 << 20,
            tool_result_bytes_max: 128 << 10,
            tool_result_image_bytes_max: 4 << 20,
            answer_bytes_max: 8 << 20,
            missing_tool_calls_max: 10,
            tool_progress_period: Duration::from_millis(250),
            tool_progress_max: 500,
            retries_max: 3,
            retry_wait_max: Duration::from_secs(60),
            retry_wait_min: Duration::from_secs(1),
            stop_grace: Duration::from_secs(2),
        }
    }
}
