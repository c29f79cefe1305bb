//! Standard input and output without threads, where they are pipes or sockets.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    os::unix::net::UnixStream as StdUnixStream,
};

use rustix::fs::{FileType, OFlags, fcntl_getfl, fcntl_setfl, fstat};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{UnixStream, unix::pipe},
    sync::Mutex,
};
use tokio_util::sync::CancellationToken;

const READ_BYTES: usize = 16 << 10;
/// A buffer that has grown beyond this is given back when it is empty.
const BUFFER_KEPT_MAX: usize = 256 << 10;

/// Lines of the client.
pub(super) struct Input {
    from: Box<dyn AsyncRead + Send + Unpin>,
    line_bytes_max: usize,
    buffer: Vec<u8>,
    /// Of `buffer`, what has been looked through for an end of line.
    searched: usize,
    is_skipping: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Text(Vec<u8>),
    /// It was passed over.
    TooLong,
    End,
}

/// Where messages for the client go, one at a time.
pub(super) struct Output {
    to: Mutex<Box<dyn AsyncWrite + Send + Unpin>>,
    /// Cancelled when nobody reads any more.
    over: CancellationToken,
}

/// The modes that standard input and output had: others may share them.
pub(super) struct Terminals {
    former: Vec<(OwnedFd, OFlags)>,
}

impl Input {
    pub(super) fn open(line_bytes_max: usize) -> Self {
        Self::new(open_input(), line_bytes_max)
    }

    fn new(from: Box<dyn AsyncRead + Send + Unpin>, line_bytes_max: usize) -> Self {
        Self {
            from,
            line_bytes_max,
            buffer: Vec::new(),
            searched: 0,
            is_skipping: false,
        }
    }

    /// Returns the next line that is not empty, without its end.
    ///
    /// Cancel safe.
    pub(super) async fn next(&mut self) -> io::Result<Line> {
        loop {
            while let Some(mut line) = self.take_line() {
                if std::mem::take(&mut self.is_skipping) {
                    return Ok(Line::TooLong);
                }
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                if !line.is_empty() {
                    return Ok(Line::Text(line));
                }
            }
            if self.line_bytes_max < self.buffer.len() {
                self.is_skipping = true;
            }
            if self.is_skipping {
                self.buffer.clear();
                self.searched = 0;
            }
            if self.buffer.is_empty() {
                self.buffer.shrink_to(BUFFER_KEPT_MAX);
            }
            self.buffer.reserve(READ_BYTES);
            if self.from.read_buf(&mut self.buffer).await? == 0 {
                let last = std::mem::take(&mut self.buffer);
                self.searched = 0;
                return Ok(match last.is_empty() || self.is_skipping {
                    true => Line::End,
                    false => Line::Text(last),
                });
            }
        }
    }

    fn take_line(&mut self) -> Option<Vec<u8>> {
        let at = self.buffer[self.searched..]
            .iter()
            .position(|it| *it == b'\n');
        let Some(at) = at.map(|it| it + self.searched) else {
            self.searched = self.buffer.len();
            return None;
        };
        self.searched = 0;
        let rest = self.buffer.split_off(at + 1);
        let mut line = std::mem::replace(&mut self.buffer, rest);
        line.pop();
        Some(line)
    }
}

impl Output {
    /// `over` is cancelled when nobody reads any more.
    pub(super) fn open(over: CancellationToken) -> Self {
        Self::new(open_output(), over)
    }

    fn new(to: Box<dyn AsyncWrite + Send + Unpin>, over: CancellationToken) -> Self {
        Self {
            to: Mutex::new(to),
            over,
        }
    }

    /// Writes a message as one line.
    ///
    /// Not cancel safe: half of a line may have been written.
    pub(super) async fn write(&self, message: &[u8]) {
        let mut line = Vec::with_capacity(message.len() + 1);
        line.extend_from_slice(message);
        // In JSON, an end of line stands only where a space could.
        for byte in &mut line {
            if matches!(*byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
        line.push(b'\n');
        let mut to = self.to.lock().await;
        let written = match to.write_all(&line).await {
            Ok(()) => to.flush().await,
            Err(err) => Err(err),
        };
        if written.is_err() {
            self.over.cancel();
        }
    }
}

impl Terminals {
    /// Notes the modes, before they are changed.
    pub(super) fn take() -> Self {
        let (stdin, stdout) = (io::stdin(), io::stdout());
        let note = |fd: io::Result<OwnedFd>| {
            let fd = fd.ok()?;
            let flags = fcntl_getfl(&fd).ok()?;
            Some((fd, flags))
        };
        let fds = [
            stdin.as_fd().try_clone_to_owned(),
            stdout.as_fd().try_clone_to_owned(),
        ];
        Self {
            former: fds.into_iter().filter_map(note).collect(),
        }
    }

    pub(super) fn restore(self) {
        for (fd, flags) in self.former {
            // It is a courtesy to who shares it; there is nobody to tell.
            let _unchanged = fcntl_setfl(&fd, flags);
        }
    }
}

fn open_input() -> Box<dyn AsyncRead + Send + Unpin> {
    let stdin = io::stdin();
    if let Ok(fd) = stdin.as_fd().try_clone_to_owned() {
        match kind(&fd) {
            Some(FileType::Fifo) => {
                if let Ok(pipe) = pipe::Receiver::from_owned_fd(fd) {
                    return Box::new(pipe);
                }
            }
            Some(FileType::Socket) => {
                if let Ok(socket) = socket(fd) {
                    return Box::new(socket);
                }
            }
            _ => {}
        }
    }
    Box::new(tokio::io::stdin())
}

fn open_output() -> Box<dyn AsyncWrite + Send + Unpin> {
    let stdout = io::stdout();
    if let Ok(fd) = stdout.as_fd().try_clone_to_owned() {
        match kind(&fd) {
            Some(FileType::Fifo) => {
                if let Ok(pipe) = pipe::Sender::from_owned_fd(fd) {
                    return Box::new(pipe);
                }
            }
            Some(FileType::Socket) => {
                if let Ok(socket) = socket(fd) {
                    return Box::new(socket);
                }
            }
            _ => {}
        }
    }
    Box::new(tokio::io::stdout())
}

fn kind(fd: &OwnedFd) -> Option<FileType> {
    let stat = fstat(fd).ok()?;
    Some(FileType::from_raw_mode(stat.st_mode))
}

/// Node gives its children sockets, where others give pipes.
fn socket(fd: OwnedFd) -> io::Result<UnixStream> {
    let socket = StdUnixStream::from(fd);
    socket.set_nonblocking(true)?;
    UnixStream::from_std(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(pieces: &[&[u8]], line_bytes_max: usize) -> Vec<Line> {
        let (mut writer, reader) = tokio::io::duplex(64);
        let mut input = Input::new(Box::new(reader), line_bytes_max);
        let write = async {
            for piece in pieces {
                writer.write_all(piece).await.unwrap();
            }
            drop(writer);
        };
        let read = async {
            let mut all = Vec::new();
            loop {
                match input.next().await.unwrap() {
                    Line::End => return all,
                    line => all.push(line),
                }
            }
        };
        tokio::join!(write, read).1
    }

    #[tokio::test]
    async fn lines_are_put_together_whatever_the_pieces_are() {
        let text = |it: &str| Line::Text(it.as_bytes().to_vec());
        assert_eq!(
            lines(&[b"{\"a\"", b":1}\n\n{}\r\n", b"[]"], 64).await,
            [text("{\"a\":1}"), text("{}"), text("[]")]
        );
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_passed_over_and_told() {
        let long = vec![b'x'; 1000];
        let text = |it: &str| Line::Text(it.as_bytes().to_vec());
        assert_eq!(
            lines(&[b"{}\n", &long, b"\n[]\n"], 100).await,
            [text("{}"), Line::TooLong, text("[]")]
        );
    }

    #[tokio::test]
    async fn a_message_with_ends_of_lines_in_it_is_one_line() {
        let (writer, mut reader) = tokio::io::duplex(64);
        let output = Output::new(Box::new(writer), CancellationToken::new());
        output.write(b"{\n \"a\": 1\r\n}").await;
        drop(output);
        let mut text = String::new();
        reader.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "{  \"a\": 1  }\n");
    }
}
