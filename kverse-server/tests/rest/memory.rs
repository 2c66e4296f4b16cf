//! How much memory a server takes.

use crate::binary::Process;
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
