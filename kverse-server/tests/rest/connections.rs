//! Many connections, and slow ones.

use std::time::Duration;

use reqwest::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, interval, timeout};

use crate::binary::Process;
use crate::common::{DEADLINE, Server, client, read_to_end};

/// The value of a metric that has no labels.
async fn metric(address: std::net::SocketAddr, name: &str) -> f64 {
    let text = client()
        .get(format!("http://{address}/metrics"))
        .send()
        .await
        .unwrap();
    let text = text.text().await.unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with(&format!("{name} ")));
    line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
}

/// Each side needs a file descriptor a connection, so the server runs in a process of its own.
#[tokio::test]
async fn ten_thousand_idle_connections_do_no_harm() {
    const COUNT: usize = 10_000;
    let limit = rlimit::increase_nofile_limit(rlimit::INFINITY).unwrap();
    assert!(limit > COUNT as u64 + 100, "only {limit} files may be open");
    let server = Process::start(&["--head-timeout", "10m", "--keep-alive", "10m"]);
    let mut idle: Vec<TcpStream> = Vec::with_capacity(COUNT);
    for number in 0..COUNT {
        let stream = timeout(DEADLINE, TcpStream::connect(server.address)).await;
        let mut stream = stream.expect("a connection is not accepted").unwrap();
        // Half of them have been used.
        if number % 2 == 0 {
            let request = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
            stream.write_all(request).await.unwrap();
        }
        idle.push(stream);
    }
    // Those in the queue of the listener are not counted yet.
    let deadline = Instant::now() + DEADLINE;
    let mut open = 0.0;
    while open < COUNT as f64 {
        assert!(
            Instant::now() < deadline,
            "only {open} connections are open"
        );
        open = metric(server.address, "kverse_http_connections").await;
    }

    let url = format!("http://{}/kv/k", server.address);
    let started = Instant::now();
    for _ in 0..100 {
        let put = client().put(&url).body("v").send().await.unwrap();
        assert!(put.status().is_success());
        assert_eq!(
            client()
                .get(&url)
                .send()
                .await
                .unwrap()
                .text()
                .await
                .unwrap(),
            "v"
        );
    }
    assert!(started.elapsed() < DEADLINE);
    // They are open indeed: the last used one still answers.
    let mut last = idle.swap_remove(COUNT - 2);
    let request = b"GET /kv/k HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    last.write_all(request).await.unwrap();
    let answers = read_to_end(&mut last).await;
    assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 2, "{answers}");
}

#[tokio::test]
async fn a_client_that_reads_a_byte_a_second_holds_up_nobody() {
    let server = Server::with_options(&["--max-value-bytes", "33554432", "--workers", "1"]);
    // More than the buffers of two sockets hold.
    let value = "x".repeat(32 << 20);
    assert_eq!(
        server.put("/kv/big", value).send().await.unwrap().status(),
        201
    );
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut slow = socket.connect(server.address).await.unwrap();
    slow.write_all(b"GET /kv/big HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();

    let mut second = interval(Duration::from_secs(1));
    for expected in b"HTTP" {
        second.tick().await;
        assert_eq!(slow.read_u8().await.unwrap(), *expected);
        let started = Instant::now();
        for _ in 0..20 {
            let put = server.put("/kv/k", "v").send().await.unwrap();
            assert!(put.status().is_success());
            assert_eq!(
                server
                    .get("/kv/k")
                    .send()
                    .await
                    .unwrap()
                    .text()
                    .await
                    .unwrap(),
                "v"
            );
        }
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "{:?}",
            started.elapsed()
        );
    }
    // Its connection goes with it.
    drop(slow);
    let deadline = Instant::now() + DEADLINE;
    while metric(server.address, "kverse_http_connections").await > 2.0 {
        assert!(Instant::now() < deadline, "the connection stays");
    }
}

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let server = Server::with_options(&["--head-timeout", "1s"]);
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /kv?key=k HTTP/1.1\r\nHos")
        .await
        .unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let server = Server::with_options(&["--body-timeout", "200ms"]);
    let mut stream = server.connect().await;
    let half = b"PUT /kv/k HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345";
    stream.write_all(half).await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("request_timeout"), "{answer}");
    assert_eq!(server.items().await, 0);
}

#[tokio::test]
async fn a_client_that_goes_away_in_the_middle_stores_nothing() {
    let server = Server::start();
    for _ in 0..20 {
        let mut stream = server.connect().await;
        let half = b"PUT /kv/k HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345";
        stream.write_all(half).await.unwrap();
        stream.set_zero_linger().unwrap();
        drop(stream);
    }
    let get = server.get("/kv/k").send().await.unwrap();
    assert_eq!(get.status(), StatusCode::NOT_FOUND);
    assert_eq!(server.items().await, 0);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = Server::start();
    let put = |value| format!("PUT /kv/k HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n{value}");
    let get = "GET /kv/k HTTP/1.1\r\nHost: x\r\n\r\n";
    let last = "GET /kv/k HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answers = server
        .exchange([&put(1), get, &put(2), last].concat())
        .await;
    let bodies: Vec<&str> = answers.split("HTTP/1.1 ").skip(1).collect();
    assert_eq!(bodies.len(), 4, "{answers}");
    assert!(
        bodies[1].ends_with("\r\n\r\n1") && bodies[3].ends_with("\r\n\r\n2"),
        "{answers}"
    );
}
