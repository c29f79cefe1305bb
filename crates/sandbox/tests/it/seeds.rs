//! The fuzz target's seeds, on the same path: a line whose other end says this or a part of it.

use std::{fs, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use domain::wire::ProcessOpen;
use sandbox::line::{Duplex, EgressError, EgressHandler, Line};
use tokio::io::{AsyncWriteExt, duplex, sink};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

struct Nobody;

#[async_trait]
impl EgressHandler for Nobody {
    async fn connect(&self, _host: String, _port: u16) -> Result<Box<dyn Duplex>, EgressError> {
        let reason = "nobody is there".to_owned();
        Err(EgressError::Failed { reason })
    }
}

#[tokio::test]
async fn whatever_part_of_a_seed_is_said_the_line_and_its_tasks_end() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/host_line");
    let mut said = 0;
    for seed in fs::read_dir(seeds).unwrap() {
        let bytes = fs::read(seed.unwrap().path()).unwrap();
        for end in (0..=bytes.len()).step_by(7).chain([bytes.len()]) {
            let ended = tokio::time::timeout(Duration::from_secs(60), say(&bytes[..end])).await;
            ended.expect("everything ends");
            said += 1;
        }
    }
    assert!(said > 3);
}

async fn say(bytes: &[u8]) {
    let (host, bridge) = duplex(64 << 10);
    let tasks = TaskTracker::new();
    let line = Line::start(host, Arc::new(Nobody), &tasks, &CancellationToken::new());
    let (mut read, mut write) = tokio::io::split(bridge);
    let saying = async {
        // The host may have hung up.
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
            let (mut reader, _writer) = process.split();
            while let Ok(Some(_)) = reader.next().await {}
        }
    };
    tokio::join!(saying, reading, asking);
    line.closed().await;
    tasks.close();
    tasks.wait().await;
}
