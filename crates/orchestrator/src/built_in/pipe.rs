use async_trait::async_trait;
use mcp::transport::{LineEvent, LineSink, LineSource};
use tokio::io::{
    AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf,
};

/// What the built-in server writes. It is bounded there: by what its tools answer.
pub(super) struct PipeSource {
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
}

pub(super) struct PipeSink {
    writer: WriteHalf<DuplexStream>,
}

pub(super) fn halves(pipe: DuplexStream) -> (PipeSource, PipeSink) {
    let (reader, writer) = tokio::io::split(pipe);
    let lines = BufReader::new(reader).lines();
    (PipeSource { lines }, PipeSink { writer })
}

#[async_trait]
impl LineSource for PipeSource {
    async fn next(&mut self) -> LineEvent {
        let reason = match self.lines.next_line().await {
            Ok(Some(line)) => return LineEvent::Line(line.into()),
            Ok(None) => "it has ended".to_owned(),
            Err(err) => err.to_string(),
        };
        LineEvent::Ended { reason }
    }
}

#[async_trait]
impl LineSink for PipeSink {
    async fn line(&mut self, line: &[u8]) -> std::io::Result<()> {
        self.writer.write_all(line).await?;
        self.writer.write_all(b"\n").await
    }

    async fn close(&mut self) {
        // Where it is closed already, nobody has to be told.
        let _told = self.writer.shutdown().await;
    }
}
