//! Thousands who wait.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::client::{DEADLINE, client};
use crate::process::Process;

const WATCHERS: usize = 5000;
/// Three quarters of it are the buffers of the connection.
const MAX_BYTES_EACH: u64 = 64 * 1024;

async fn read_until(stream: &mut TcpStream, end: &[u8]) {
    let mut text = Vec::new();
    while !text.windows(end.len()).any(|part| part == end) {
        let read = timeout(DEADLINE * 4, stream.read_buf(&mut text)).await;
        let read = read.expect("nothing came").unwrap();
        assert!(read > 0, "the stream ended");
    }
}

#[tokio::test]
async fn thousands_cost_little_memory_and_are_all_told() {
    rlimit::increase_nofile_limit(rlimit::INFINITY).unwrap();
    let process = Process::start(&["--database-url=memory:"]).await;
    let connect = async |number: usize| {
        let mut stream = TcpStream::connect(process.address).await.unwrap();
        // Half of them want the same, the others something of their own.
        let prefix = if number.is_multiple_of(2) {
            "k".to_owned()
        } else {
            format!("p{number}/")
        };
        let request = format!("GET /watch?prefix={prefix} HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        read_until(&mut stream, b"\nid: ").await;
        stream
    };
    // What the first connections cost is not theirs.
    for number in 0..100 {
        connect(number).await;
    }
    let before = process.resident_bytes();
    let mut streams = Vec::new();
    for number in 0..WATCHERS {
        streams.push(connect(number).await);
    }
    let each = process.resident_bytes().saturating_sub(before) / WATCHERS as u64;
    println!("{WATCHERS} idle watchers, {each} bytes each");
    assert!(each < MAX_BYTES_EACH, "{each} bytes each");

    let put = async |key: &str| {
        let url = format!("{}/kv/{key}", process.url());
        let answer = client().put(url).body("x").send().await.unwrap();
        assert!(answer.status().is_success());
    };
    let started = Instant::now();
    put("k1").await;
    for stream in streams.iter_mut().step_by(2) {
        read_until(stream, b"\"key\":\"k1\"").await;
    }
    println!(
        "{} of them were told of a write in {:?}",
        WATCHERS / 2,
        started.elapsed()
    );
    for number in [1, 2501, 4999] {
        put(&format!("p{number}/x")).await;
        read_until(
            &mut streams[number],
            format!("\"key\":\"p{number}/x\"").as_bytes(),
        )
        .await;
    }
}
