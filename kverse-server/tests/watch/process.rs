//! A server as a process of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use kverse_store::testing::ServerProcess;
use serde_json::Value;
use tempfile::TempDir;

/// A running server.
pub(crate) struct Process {
    process: ServerProcess,
    pub(crate) address: SocketAddr,
    _directory: TempDir,
}

impl Process {
    const START_WAIT: Duration = Duration::from_secs(60);

    /// Starts a server with these options.
    pub(crate) async fn start(options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let ours = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        let ours = ours.filter(|name| {
            name.starts_with("KVERSE_") || name == "DATABASE_URL" || name == "REDIS_URL"
        });
        let mut arguments: Vec<String> = ours.flat_map(|name| ["-u".to_owned(), name]).collect();
        arguments.push(env!("CARGO_BIN_EXE_kverse-server").to_owned());
        let fixed = ["--listen=127.0.0.1:0", "--workers=2", "--log-format=json"];
        arguments.extend(fixed.iter().chain(options).map(|&option| option.to_owned()));
        let mut process = ServerProcess::start(Path::new("env"), &arguments, None, &log);
        let deadline = Instant::now() + Self::START_WAIT;
        loop {
            let text = fs::read_to_string(&log).unwrap();
            if let Some(address) = text.lines().find_map(listening) {
                return Self {
                    process,
                    address,
                    _directory: directory,
                };
            }
            assert!(
                !process.has_ended() && Instant::now() < deadline,
                "the server does not start: {text}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Kills it at once.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// How much memory it uses, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = resident.unwrap().trim().trim_end_matches(" kB");
        kibibytes.parse::<u64>().unwrap() * 1024
    }
}

fn listening(line: &str) -> Option<SocketAddr> {
    let record: Value = serde_json::from_str(line).ok()?;
    let address = (record["message"] == "listening").then(|| record["address"].as_str())??;
    address.parse().ok()
}
