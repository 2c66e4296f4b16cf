//! The end of the server.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::binary::Process;
use crate::common::{DEADLINE, Server, read_head, read_to_end};

const HALF: &[u8] =
    b"PUT /kv/k HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n";

/// Sends the head of an upload and waits until the server is at it.
async fn begin_upload(stream: &mut TcpStream) {
    stream.write_all(HALF).await.unwrap();
    let head = read_head(stream).await;
    assert!(head.starts_with("HTTP/1.1 100 "), "{head}");
}

/// Waits until nobody listens any more.
async fn refused(address: std::net::SocketAddr) {
    let deadline = Instant::now() + DEADLINE;
    while TcpStream::connect(address).await.is_ok() {
        assert!(Instant::now() < deadline, "the server still listens");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_was_accepted_is_answered() {
    let server = Server::start();
    let (address, store) = (server.address, Arc::clone(&server.store));
    let mut uploads = Vec::new();
    for _ in 0..10 {
        let mut stream = server.connect().await;
        begin_upload(&mut stream).await;
        uploads.push(stream);
    }
    let stopped = server.stop();
    let stopped = tokio::spawn(stopped);
    refused(address).await;
    for mut stream in uploads {
        stream.write_all(b"0123456789").await.unwrap();
        let answer = read_to_end(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
    }
    stopped.await.unwrap().unwrap();
    assert_eq!(store.stats().await.unwrap().items, 1);
    // The server has let go of it, so that another can open what it stands on.
    assert_eq!(Arc::strong_count(&store), 1);
}

#[tokio::test]
async fn idle_connections_do_not_hold_it_up() {
    let server = Server::start();
    let mut idle = server.connect().await;
    idle.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    read_head(&mut idle).await;
    let started = Instant::now();
    server.stop().await.unwrap();
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn what_is_never_finished_is_waited_for_only_so_long() {
    let server = Server::with_options(&["--shutdown-timeout", "1s"]);
    let mut stream = server.connect().await;
    begin_upload(&mut stream).await;
    let started = Instant::now();
    server.stop().await.unwrap();
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn a_signal_lets_the_program_answer_first() {
    let server = Process::start(&[]);
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    begin_upload(&mut stream).await;
    server.terminate();
    refused(server.address).await;
    stream.write_all(b"0123456789").await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    let (code, log) = tokio::task::spawn_blocking(|| server.wait()).await.unwrap();
    assert_eq!(code, Some(0), "{log}");
}
