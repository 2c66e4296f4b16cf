//! How much memory a server takes.

use crate::binary::{Process, sqlite};
use crate::common::client;

#[tokio::test]
async fn an_idle_server_takes_less_than_40_mb() {
    let directory = tempfile::tempdir().unwrap();
    let server = Process::start_on(&directory.path().join("kverse.db"));
    for path in ["/", "/kv?key=k", "/health"] {
        let url = format!("{}{path}", server.url());
        client().get(url).send().await.unwrap();
    }
    let resident = server.resident_bytes();
    assert!(resident < 40_000_000, "{resident}");
}

/// Reads as many bytes of values as are stored, each value once, so that whatever the cache may keep, it has kept.
async fn growth_after_reading_60_mb(cache_bytes: &str) -> i64 {
    const COUNT: usize = 1200;
    const VALUE_BYTES: usize = 50_000;
    let directory = tempfile::tempdir().unwrap();
    let database = sqlite(&directory.path().join("kverse.db"));
    let server = Process::start_at(&database, &["--workers", "1", "--cache-bytes", cache_bytes]);
    let client = client();
    let url = |number: usize| format!("{}/kv/{number}", server.url());
    client.put(url(COUNT)).body("v").send().await.unwrap();
    let before = server.resident_bytes();
    for number in 0..COUNT {
        let value = format!("{number:0VALUE_BYTES$}");
        let put = client.put(url(number)).body(value).send().await.unwrap();
        assert_eq!(put.status(), 201);
    }
    for number in 0..COUNT {
        let got = client.get(url(number)).send().await.unwrap();
        assert_eq!(got.bytes().await.unwrap().len(), VALUE_BYTES);
    }
    i64::try_from(server.resident_bytes()).unwrap() - i64::try_from(before).unwrap()
}

#[tokio::test]
async fn the_cache_takes_what_it_may_and_no_more() {
    let bounded = growth_after_reading_60_mb("4194304").await;
    assert!(bounded < 30_000_000, "{bounded}");
    // The bound is that of the cache: with room for all of them, all stay.
    let all = growth_after_reading_60_mb("268435456").await;
    assert!(all > 60_000_000, "{all}");
}
