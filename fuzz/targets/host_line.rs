//! A line whose other end says anything: the line ends, and all of its tasks do.

#![no_main]

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use domain::wire::ProcessOpen;
use libfuzzer_sys::fuzz_target;
use sandbox::line::{Duplex, EgressError, EgressHandler, Line};
use tokio::io::{AsyncWriteExt, duplex, sink};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const BUFFER_BYTES: usize = 64 << 10;
const PATIENCE: Duration = Duration::from_secs(60);

struct Echo;

#[async_trait]
impl EgressHandler for Echo {
    async fn connect(&self, _host: String, port: u16) -> Result<Box<dyn Duplex>, EgressError> {
        if port == 1 {
            let reason = "nobody is there".to_owned();
            return Err(EgressError::Failed { reason });
        }
        let (near, far) = duplex(64);
        drop(far);
        Ok(Box::new(near))
    }
}

fuzz_target!(|bytes: &[u8]| {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime without IO needs nothing");
    runtime.block_on(async {
        tokio::time::timeout(PATIENCE, run(bytes))
            .await
            .expect("everything ends");
    });
});

async fn run(bytes: &[u8]) {
    let (host, bridge) = duplex(BUFFER_BYTES);
    let tasks = TaskTracker::new();
    let line = Line::start(host, Arc::new(Echo), &tasks, &CancellationToken::new());
    let (mut read, mut write) = tokio::io::split(bridge);
    let saying = async {
        write.write_all(bytes).await.ok();
        write.shutdown().await.ok();
    };
    let reading = async { tokio::io::copy(&mut read, &mut sink()).await.ok() };
    let asking = async {
        let open = ProcessOpen {
            argv: vec!["server".to_owned()],
            env: Vec::new(),
            cwd: "/".to_owned(),
            line_bytes_max: 1 << 10,
            proxy: true,
            stop_grace_ms: 0,
        };
        if let Ok(process) = line.open_process(open).await {
            let (mut reader, mut writer) = process.split();
            writer.line(b"ping").await.ok();
            while let Ok(Some(_)) = reader.next().await {}
        }
    };
    tokio::join!(saying, reading, asking);
    line.closed().await;
    tasks.close();
    tasks.wait().await;
}
