use std::time::Duration;

use reqwest::Response;
use tokio::time::timeout;

/// Why a body could not be read.
pub(super) enum BodyError {
    TooLong,
    Silent,
    Broken(reqwest::Error),
}

/// Reads a body of at most `bytes_max`, in at most `most` time.
///
/// Cancel safe.
pub(super) async fn read_body(
    mut response: Response,
    bytes_max: usize,
    most: Duration,
) -> Result<Vec<u8>, BodyError> {
    let read = async {
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(BodyError::Broken)? {
            if bytes_max < body.len() + piece.len() {
                return Err(BodyError::TooLong);
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    };
    timeout(most, read).await.unwrap_or(Err(BodyError::Silent))
}

pub(super) fn text_of(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}
