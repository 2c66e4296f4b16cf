//! A client that does not read.

use kverse_core::{Key, KvStore, Write};
use kverse_store::http::{HttpOptions, HttpStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::client::{DEADLINE, Watch, client, metric};
use crate::process::Process;

/// A watcher that takes only what fits into small buffers.
async fn watcher(process: &Process) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(process.address).await.unwrap();
    let request = b"GET /watch HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    // It is served.
    let mut byte = [0];
    stream.read_exact(&mut byte).await.unwrap();
    stream
}

#[tokio::test]
async fn it_is_cut_off_while_memory_stays_and_others_are_told_everything() {
    const WATCHERS: usize = 20;
    const BATCHES: usize = 200;
    let process = Process::start(&["--database-url=memory:"]).await;
    let url = process.url();
    let mut reads = Watch::start(client().get(format!("{url}/watch"))).await;
    let mut slow = Vec::new();
    for _ in 0..WATCHERS {
        slow.push(watcher(&process).await);
    }
    let store = HttpStore::new(url.parse().unwrap(), HttpOptions::default()).unwrap();
    // The keys are all there is: 1 KB an event.
    let write = |number: usize| {
        let key: Key = format!("{number:04}{}", "k".repeat(1000)).parse().unwrap();
        Write::put(key, "")
    };
    let batch = |_| (0..500).map(write).collect::<Vec<_>>();
    let mut grown = 0;
    let mut before = 0;
    for number in 0..BATCHES {
        store.write(batch(number)).await.unwrap();
        for _ in 0..500 {
            assert_eq!(reads.event().await.change().0, "put");
        }
        // By then the store's own feed has what it keeps.
        if number == BATCHES / 2 + 50 {
            before = process.resident_bytes();
        }
    }
    grown += process.resident_bytes().saturating_sub(before);
    let cut_off = metric(&url, "kverse_watch_slow_readers_total ").await;
    println!("{cut_off} slow readers were cut off; memory grew by {grown} bytes meanwhile");
    assert_eq!(cut_off, WATCHERS as f64);
    assert!(grown < 32 << 20, "memory grew by {grown} bytes");
    for mut stream in slow {
        let mut text = Vec::new();
        let read = timeout(DEADLINE, stream.read_to_end(&mut text)).await;
        read.expect("the stream does not end").unwrap();
        let text = String::from_utf8_lossy(&text);
        let tail = &text[text.len().saturating_sub(400)..];
        assert!(tail.contains("event: error\n"), "{tail}");
        assert!(tail.contains("\"code\":\"slow_reader\""), "{tail}");
    }
}
