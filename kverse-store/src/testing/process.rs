//! Server processes that do not outlive the test.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// A server and the processes it started. It is killed when this is dropped, and when the test process ends, however it
/// ends (on Linux).
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    /// The thread that started the process waits for this to be dropped: Linux kills the child when that thread ends.
    _parent: Sender<()>,
}

impl ServerProcess {
    /// Starts a program with the arguments, its output going to the file; as this user, if one is given.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(program: &Path, arguments: &[String], user: Option<&str>, log: &Path) -> Self {
        let mut command = as_user(user);
        command.args(["--pdeathsig", "KILL"]).arg(program);
        let log = File::create(log).unwrap();
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let (started, child) = channel();
        let (parent, dropped): (Sender<()>, Receiver<()>) = channel();
        thread::spawn(move || {
            let _ = started.send(command.spawn());
            // Ends with an error when the sender is gone, which is what is waited for.
            let _ = dropped.recv();
        });
        let child = child
            .recv()
            .unwrap()
            .expect("setpriv (of util-linux) starts the server");
        Self {
            child,
            _parent: parent,
        }
    }

    /// The id of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether the process has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Sends a signal, for example `TERM`, to the process only.
    pub fn signal(&self, signal: &str) {
        send(signal, &[self.id()]);
    }

    /// Stops the process and those it started, as they are: nothing of them runs until [`resume`](Self::resume).
    pub fn pause(&self) {
        send("STOP", &[self.id()]);
        send("STOP", &self.children());
    }

    /// Lets paused processes go on.
    pub fn resume(&self) {
        send("CONT", &self.children());
        send("CONT", &[self.id()]);
    }

    /// Kills the process and those it started, at once, and waits for their end.
    pub fn kill(&mut self) {
        let children = self.children();
        send("KILL", &[self.id()]);
        send("KILL", &children);
        self.child.wait().unwrap();
        let gone = || {
            let is_there = |id: &u32| Path::new(&format!("/proc/{id}/exe")).exists();
            !children.iter().any(is_there)
        };
        wait_until("the killed processes end", Duration::from_secs(10), gone);
    }

    /// Waits for the process to end by itself.
    ///
    /// # Panics
    /// If that takes longer.
    pub fn wait(&mut self, timeout: Duration) {
        wait_until("the server ends", timeout, || self.has_ended());
    }

    fn children(&self) -> Vec<u32> {
        let Ok(processes) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        processes
            .filter_map(|process| process.ok()?.file_name().to_str()?.parse().ok())
            .filter(|id| parent_of(*id) == Some(self.id()))
            .collect()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        if !self.has_ended() {
            self.kill();
        }
    }
}

/// A command that runs as another user, or as this one.
pub(super) fn as_user(user: Option<&str>) -> Command {
    let mut command = Command::new("setpriv");
    if let Some(user) = user {
        command.args(["--reuid", user, "--regid", user, "--clear-groups"]);
    }
    command
}

fn parent_of(id: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

fn send(signal: &str, processes: &[u32]) {
    if processes.is_empty() {
        return;
    }
    // A process that has ended meanwhile is no error.
    let _ = Command::new("kill")
        .arg(format!("-{signal}"))
        .args(processes.iter().map(u32::to_string))
        .stderr(Stdio::null())
        .status()
        .expect("kill (of procps or util-linux) is installed");
}

/// Waits for something to become true.
#[expect(
    clippy::disallowed_methods,
    reason = "servers are started and ended outside of async code, also while a test is dropped"
)]
pub(super) fn wait_until(what: &str, timeout: Duration, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + timeout;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {timeout:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A port of the loopback interface that was free a moment ago.
pub(super) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}
