#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test without its server fails"
)]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::process::free_port;

/// A `redis-server` of its own on a loopback port, with its files in a temporary directory. It ends when this is dropped,
/// and with the process in any case. Its methods block, and panic if the server does not do what they ask.
#[derive(Debug)]
pub struct RedisServer {
    child: Child,
    port: u16,
    options: Vec<String>,
    directory: TempDir,
    is_running: bool,
}

/// What a restarted server still has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterRestart {
    /// Nothing.
    Empty,
    /// Everything, from a snapshot.
    Snapshot,
}

impl RedisServer {
    /// How long a server may take to start or to answer.
    const PATIENCE: Duration = Duration::from_secs(10);

    /// A server with Redis's own settings.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// A server with these command-line options, for example `["--maxmemory", "2mb"]`. The password of `--requirepass`
    /// is part of [`Self::url`].
    pub fn start_with(options: &[&str]) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        // Another process may take the port before Redis does.
        for _ in 0..5 {
            let port = free_port();
            let mut child = spawn(port, &options, directory.path());
            if is_up(&mut child, port) {
                return Self {
                    child,
                    port,
                    options,
                    directory,
                    is_running: true,
                };
            }
        }
        panic!("redis-server does not start with the options {options:?}");
    }

    /// The URL of the server, with its password.
    pub fn url(&self) -> String {
        let password = self.password().map(|password| format!(":{password}@"));
        format!("redis://{}{}", password.unwrap_or_default(), self.address())
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Runs a command and returns its answer: the first line as the server sent it, or the content of a bulk string.
    pub fn command(&self, words: &[&str]) -> String {
        let mut stream = TcpStream::connect(self.address()).expect("redis-server is up");
        stream.set_read_timeout(Some(Self::PATIENCE)).unwrap();
        if let Some(password) = self.password() {
            ask(&mut stream, &["AUTH", password]).expect("an answer");
        }
        ask(&mut stream, words).expect("an answer of redis-server")
    }

    /// Ends the server at once, as a crash does.
    pub fn kill(&mut self) {
        self.is_running = false;
        // Fails if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts the server again after [`Self::kill`], at the same address.
    pub fn start_again(&mut self) {
        self.child = spawn(self.port, &self.options, self.directory.path());
        assert!(
            is_up(&mut self.child, self.port),
            "redis-server is not back"
        );
        self.is_running = true;
    }

    /// Ends the server at once and starts it again at the same address.
    pub fn restart(&mut self, after: AfterRestart) {
        if after == AfterRestart::Snapshot {
            assert_eq!(self.command(&["SAVE"]), "+OK");
        }
        self.kill();
        if after == AfterRestart::Empty {
            // Not there if there was no snapshot.
            let _ = std::fs::remove_file(self.directory.path().join("dump.rdb"));
        }
        self.start_again();
    }

    /// Stops the process where it stands: the system still accepts connections for it.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets a paused process go on.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(status.success(), "kill {signal}: {status}");
    }

    fn password(&self) -> Option<&str> {
        self.option("--requirepass")
    }

    /// The value of a command-line option that it was started with.
    pub(super) fn option(&self, name: &str) -> Option<&str> {
        let mut options = self.options.iter();
        options.find(|option| *option == name)?;
        options.next().map(String::as_str)
    }

    /// Whether it was not killed.
    pub(super) fn is_running(&self) -> bool {
        self.is_running
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(port: u16, options: &[String], directory: &Path) -> Child {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "redis-server", "--bind", "127.0.0.1"])
        .args(["--port", &port.to_string(), "--save", "", "--dir"])
        .arg(directory)
        .args(options)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let found = Command::new("redis-server")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    if let Err(error) = found {
        panic!(
            "this test needs redis-server ({error}): run `make setup`, or apt-get install redis-server"
        );
    }
    spawn_for_life(command).expect("setpriv, of util-linux, starts redis-server")
}

/// Starts a process that is killed when this one ends. Linux does that when the *thread* ends that started it, so it is one
/// that never does.
fn spawn_for_life(command: Command) -> io::Result<Child> {
    type Job = (Command, mpsc::Sender<io::Result<Child>>);
    static STARTER: OnceLock<mpsc::Sender<Job>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (jobs, inbox) = mpsc::channel::<Job>();
        thread::spawn(move || {
            for (mut command, answer) in inbox {
                // Nobody waits any more if the test has failed.
                let _ = answer.send(command.spawn());
            }
        });
        jobs
    });
    let (answer, started) = mpsc::channel();
    starter.send((command, answer)).expect("the thread runs");
    started.recv().expect("the thread answers")
}

/// Waits until the server answers, or has ended.
fn is_up(child: &mut Child, port: u16) -> bool {
    let deadline = Instant::now() + RedisServer::PATIENCE;
    while Instant::now() < deadline {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            stream
                .set_read_timeout(Some(RedisServer::PATIENCE))
                .unwrap();
            match ask(&mut stream, &["PING"]).as_deref() {
                Ok("+PONG") => return true,
                Ok(answer) if answer.starts_with("-NOAUTH") => return true,
                // It still loads its snapshot, or another process has the port.
                _ => {}
            }
        }
        thread::park_timeout(Duration::from_millis(5));
    }
    false
}

fn ask(stream: &mut TcpStream, words: &[&str]) -> io::Result<String> {
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        request += &format!("${}\r\n{word}\r\n", word.len());
    }
    stream.write_all(request.as_bytes())?;
    let mut answer = BufReader::new(stream);
    let mut line = String::new();
    answer.read_line(&mut line)?;
    let line = line.trim_end();
    let Some(length) = line
        .strip_prefix('$')
        .and_then(|length| length.parse().ok())
    else {
        return Ok(line.to_owned());
    };
    let mut bulk = vec![0; length];
    answer.read_exact(&mut bulk)?;
    Ok(String::from_utf8_lossy(&bulk).into_owned())
}
