//! HTTP/1.1 to the running program, as little of it as that needs.
//!
//! It is here so that `connect` answers within milliseconds and takes a few megabytes: one kept
//! connection, one buffer, no pool of threads, no TLS.

use std::{io, ops::Range, time::Duration};

use rustix::{
    buffer::spare_capacity,
    net::{RecvFlags, recv},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::Instant,
};

const HEADERS_MAX: usize = 64;
const HEAD_BYTES_MAX: usize = 64 << 10;
const READ_BYTES: usize = 16 << 10;
/// A buffer that has grown beyond this is given back when it is empty.
const BUFFER_KEPT_MAX: usize = 256 << 10;
/// Bodies up to this size are sent in one piece with the head.
const TOGETHER_BYTES_MAX: usize = 64 << 10;
/// The program closes connections that nobody has used for 10 s; those are not used again in time.
const KEPT_MAX: Duration = Duration::from_secs(8);

/// A connection that is kept between requests.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Of `buffer`, what has been taken.
    taken: usize,
    /// Whether the answer may be there already, since the other side ran while we sent.
    is_eager: bool,
    out: Vec<u8>,
    used: Instant,
}

/// The head of an answer.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// Without parameters, in lower case.
    pub(crate) content_type: String,
    pub(crate) session: Option<String>,
    /// Whether the connection can be used again once the body is read.
    pub(crate) is_kept: bool,
    pub(crate) body: Body,
}

/// How far the body has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    Length(u64),
    ChunkHead,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    UntilClosed,
    Done,
}

impl Connection {
    /// Connects to `host:port`.
    pub(crate) async fn dial(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
            taken: 0,
            is_eager: false,
            out: Vec::new(),
            used: Instant::now(),
        })
    }

    /// Whether the other side has not closed it meanwhile, and is not about to.
    pub(crate) fn is_open(&self) -> bool {
        if KEPT_MAX < self.used.elapsed() {
            return false;
        }
        let nothing = self.stream.try_read(&mut [0]);
        matches!(nothing, Err(err) if err.kind() == io::ErrorKind::WouldBlock)
    }

    /// Sends a request. `head` has everything but the length and the empty line.
    pub(crate) async fn send(&mut self, head: &str, body: &[u8]) -> io::Result<()> {
        self.out.clear();
        self.out.extend_from_slice(head.as_bytes());
        self.out.extend_from_slice(b"Content-Length: ");
        self.out
            .extend_from_slice(body.len().to_string().as_bytes());
        self.out.extend_from_slice(b"\r\n\r\n");
        let is_small = body.len() <= TOGETHER_BYTES_MAX;
        if is_small {
            self.out.extend_from_slice(body);
        }
        self.used = Instant::now();
        self.is_eager = true;
        self.stream.write_all(&self.out).await?;
        if !is_small {
            self.stream.write_all(body).await?;
        }
        Ok(())
    }

    /// Reads the head of the answer.
    pub(crate) async fn read_head(&mut self) -> io::Result<Head> {
        loop {
            if let Some((len, head)) = parse_head(&self.buffer[self.taken..])? {
                self.taken += len;
                if 200 <= head.status {
                    return Ok(head);
                }
            } else if HEAD_BYTES_MAX < self.buffer.len() - self.taken {
                return Err(invalid("the head of the answer is too long"));
            } else {
                self.fill().await?;
            }
        }
    }

    /// Reads on in the body. `None` is its end.
    pub(crate) async fn read_piece(&mut self, body: &mut Body) -> io::Result<Option<&[u8]>> {
        let piece = self.next_piece(body).await?;
        Ok(piece.map(|it| &self.buffer[it]))
    }

    /// Reads the whole body, which may have `bytes_max`.
    pub(crate) async fn read_all(
        &mut self,
        body: &mut Body,
        bytes_max: usize,
    ) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        if let Body::Length(len) = *body {
            let len = usize::try_from(len).unwrap_or(usize::MAX);
            all.reserve_exact(len.min(bytes_max));
        }
        while let Some(piece) = self.read_piece(body).await? {
            if bytes_max < all.len() + piece.len() {
                return Err(invalid(&format!(
                    "the answer has more than {bytes_max} bytes"
                )));
            }
            all.extend_from_slice(piece);
        }
        Ok(all)
    }

    async fn next_piece(&mut self, body: &mut Body) -> io::Result<Option<Range<usize>>> {
        loop {
            match *body {
                Body::Done => return Ok(None),
                Body::Length(0) => *body = Body::Done,
                Body::Chunk(0) => *body = Body::ChunkEnd,
                Body::Length(left) => {
                    let piece = self.take(left).await?;
                    *body = Body::Length(left - piece.len() as u64);
                    return Ok(Some(piece));
                }
                Body::Chunk(left) => {
                    let piece = self.take(left).await?;
                    *body = Body::Chunk(left - piece.len() as u64);
                    return Ok(Some(piece));
                }
                Body::ChunkHead => {
                    let line = self.line().await?;
                    let digits = line.split(|it| *it == b';').next().unwrap_or_default();
                    let digits = std::str::from_utf8(digits).unwrap_or_default().trim();
                    let size = u64::from_str_radix(digits, 16);
                    *body = match size.map_err(|_| invalid("the answer's chunks are broken"))? {
                        0 => Body::Trailers,
                        size => Body::Chunk(size),
                    };
                }
                Body::ChunkEnd => {
                    self.line().await?;
                    *body = Body::ChunkHead;
                }
                Body::Trailers => {
                    if self.line().await?.is_empty() {
                        *body = Body::Done;
                    }
                }
                Body::UntilClosed => {
                    if self.taken < self.buffer.len() || self.read_more().await? != 0 {
                        return Ok(Some(self.take(u64::MAX).await?));
                    }
                    *body = Body::Done;
                }
            }
        }
    }

    /// Takes what is there, at least one byte and at most `most`.
    async fn take(&mut self, most: u64) -> io::Result<Range<usize>> {
        if self.taken == self.buffer.len() {
            self.fill().await?;
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let start = self.taken;
        self.taken += most.min(self.buffer.len() - start);
        Ok(start..self.taken)
    }

    async fn line(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let rest = &self.buffer[self.taken..];
            if let Some(at) = rest.iter().position(|it| *it == b'\n') {
                let line = rest[..at]
                    .strip_suffix(b"\r")
                    .unwrap_or(&rest[..at])
                    .to_vec();
                self.taken += at + 1;
                return Ok(line);
            }
            if HEAD_BYTES_MAX < rest.len() {
                return Err(invalid("the answer's chunks are broken"));
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> io::Result<()> {
        match self.read_more().await? {
            0 => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the connection ended in the middle of an answer",
            )),
            _ => Ok(()),
        }
    }

    async fn read_more(&mut self) -> io::Result<usize> {
        if self.taken == self.buffer.len() {
            self.buffer.clear();
            self.buffer.shrink_to(BUFFER_KEPT_MAX);
        } else {
            self.buffer.drain(..self.taken);
        }
        self.taken = 0;
        self.buffer.reserve(READ_BYTES);
        if std::mem::take(&mut self.is_eager) {
            let spare = spare_capacity(&mut self.buffer);
            match recv(&self.stream, spare, RecvFlags::DONTWAIT) {
                Ok((len, _)) => return Ok(len),
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                Err(err) => return Err(err.into()),
            }
        }
        self.stream.read_buf(&mut self.buffer).await
    }
}

/// Returns the head and how many bytes it has, `None` while it is not whole.
fn parse_head(bytes: &[u8]) -> io::Result<Option<(usize, Head)>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response.parse(bytes);
    let parsed = parsed.map_err(|err| invalid(&format!("the answer is not HTTP: {err}")))?;
    let httparse::Status::Complete(len) = parsed else {
        return Ok(None);
    };
    let status = response.code.unwrap_or(0);
    let mut head = Head {
        status,
        content_type: String::new(),
        session: None,
        is_kept: response.version == Some(1),
        body: match status {
            100..200 | 204 | 304 => Body::Done,
            _ => Body::UntilClosed,
        },
    };
    for header in response.headers.iter() {
        let value = String::from_utf8_lossy(header.value);
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("content-length") && head.body == Body::UntilClosed {
            let length = value.trim().parse();
            head.body = Body::Length(length.map_err(|_| invalid("the answer has no length"))?);
        } else if is("transfer-encoding") && head.body != Body::Done {
            head.body = Body::ChunkHead;
        } else if is("content-type") {
            let kind = value.split(';').next().unwrap_or_default();
            head.content_type = kind.trim().to_ascii_lowercase();
        } else if is("mcp-session-id") {
            head.session = Some(value.into_owned());
        } else if is("connection") && value.eq_ignore_ascii_case("close") {
            head.is_kept = false;
        }
    }
    if head.body == Body::UntilClosed {
        head.is_kept = false;
    }
    Ok(Some((len, head)))
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}
