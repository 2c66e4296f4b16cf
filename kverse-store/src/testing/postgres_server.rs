//! A real PostgreSQL for tests.

use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use tempfile::TempDir;

use super::process::{ServerProcess, as_user, free_port, wait_until};

/// How a [`PostgresServer`] runs.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PostgresOptions {
    /// Whether commits are synced to the disk. Default: no, which is faster, and enough unless the machine crashes.
    pub fsync: bool,
    /// Further settings, as in `postgresql.conf`: name and value.
    pub settings: Vec<(String, String)>,
    /// The certificate and the key that the server shows to clients that ask for TLS, as PEM. Default: none, no TLS.
    pub certificate: Option<(String, String)>,
    /// The language of messages, as one of the system's locales without its encoding, such as `de_DE`. Default: English.
    pub language: Option<String>,
}

impl PostgresOptions {
    /// The same, syncing commits or not.
    #[must_use]
    pub fn with_fsync(mut self, fsync: bool) -> Self {
        self.fsync = fsync;
        self
    }

    /// The same with one more setting.
    #[must_use]
    pub fn with_setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// The same with TLS.
    #[must_use]
    pub fn with_certificate(mut self, certificate: String, key: String) -> Self {
        self.certificate = Some((certificate, key));
        self.with_setting("ssl", "on")
    }

    /// The same in this language.
    #[must_use]
    pub fn with_language(mut self, language: &str) -> Self {
        self.language = Some(language.to_owned());
        self.with_setting("lc_messages", format!("{language}.UTF-8"))
    }
}

/// A PostgreSQL server on a free port of the loopback interface, with its data in a temporary directory.
///
/// Everyone may connect without a password, but for roles called `guarded`, who need theirs. The superuser is `kverse`.
#[derive(Debug)]
pub struct PostgresServer {
    // Before `directory`: the server ends before its files do.
    process: Mutex<Option<ServerProcess>>,
    directory: TempDir,
    binaries: PathBuf,
    options: PostgresOptions,
    port: u16,
}

impl PostgresServer {
    const USER: &str = "kverse";
    const START_WAIT: Duration = Duration::from_secs(60);

    /// The server that all tests of this process share. Stop and pause servers of your own instead.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<PostgresServer> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(PostgresOptions::default()))
    }

    /// Starts a server.
    ///
    /// # Panics
    /// If PostgreSQL is not installed, or does not start.
    pub fn start(options: PostgresOptions) -> Self {
        let directory = tempfile::tempdir().unwrap();
        own(directory.path());
        let server = Self {
            process: Mutex::new(None),
            directory,
            binaries: binaries(),
            options,
            port: free_port(),
        };
        server.initialise();
        server.run();
        server
    }

    fn initialise(&self) {
        let output = as_user(other_user())
            .arg(self.binaries.join("initdb"))
            .args(["--no-sync", "-A", "trust", "-E", "UTF8", "--locale=C"])
            .args(["-U", Self::USER, "-D"])
            .arg(self.data())
            .output()
            .expect("setpriv (of util-linux) is installed");
        assert!(
            output.status.success(),
            "initdb failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let access =
            "host all guarded 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n";
        fs::write(self.data().join("pg_hba.conf"), access).unwrap();
        if let Some((certificate, key)) = &self.options.certificate {
            for (name, content) in [("server.crt", certificate), ("server.key", key)] {
                let file = self.data().join(name);
                fs::write(&file, content).unwrap();
                fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
                own(&file);
            }
        }
        if let Some(language) = &self.options.language {
            self.compile_locale(language);
        }
    }

    /// The system may have the sources of its locales only.
    fn compile_locale(&self, language: &str) {
        fs::create_dir(self.locales()).unwrap();
        let output = Command::new("localedef")
            .args(["-i", language, "-f", "UTF-8"])
            .arg(self.locales().join(format!("{language}.UTF-8")))
            .output()
            .expect("localedef is installed");
        assert!(
            output.status.success(),
            "localedef failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn run(&self) {
        let on = |on| if on { "on" } else { "off" };
        let fsync = on(self.options.fsync);
        let mut settings = vec![
            ("listen_addresses".to_owned(), "127.0.0.1".to_owned()),
            ("unix_socket_directories".to_owned(), String::new()),
            ("fsync".to_owned(), fsync.to_owned()),
            ("full_page_writes".to_owned(), fsync.to_owned()),
            ("max_connections".to_owned(), "400".to_owned()),
            ("shared_buffers".to_owned(), "64MB".to_owned()),
        ];
        settings.extend(self.options.settings.iter().cloned());
        let mut arguments = vec![
            format!("LOCPATH={}", self.locales().display()),
            self.binaries.join("postgres").to_str().unwrap().to_owned(),
            "-D".to_owned(),
            self.data().to_str().unwrap().to_owned(),
            "-p".to_owned(),
            self.port.to_string(),
        ];
        for (name, value) in settings {
            arguments.extend(["-c".to_owned(), format!("{name}={value}")]);
        }
        let process = ServerProcess::start(Path::new("env"), &arguments, other_user(), &self.log());
        let mut running = self.process.lock().unwrap();
        let process = running.insert(process);
        wait_until("PostgreSQL accepts connections", Self::START_WAIT, || {
            let log = || fs::read_to_string(self.log()).unwrap_or_default();
            assert!(!process.has_ended(), "PostgreSQL ended: {}", log());
            self.is_ready()
        });
    }

    fn is_ready(&self) -> bool {
        let output = self
            .client("pg_isready")
            .args(["-q", "-t", "1"])
            .output()
            .unwrap();
        TcpStream::connect(self.address()).is_ok() && output.status.success()
    }

    /// A client program of PostgreSQL that talks to this server.
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new(self.binaries.join(program));
        command.args(["-h", "127.0.0.1", "-U", Self::USER, "-p"]);
        command.arg(self.port.to_string());
        command.current_dir("/");
        command
    }

    /// Where the server has its data.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn locales(&self) -> PathBuf {
        self.directory.path().join("locales")
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// The id of the server's main process.
    ///
    /// # Panics
    /// If it is not running.
    pub fn process_id(&self) -> u32 {
        self.process.lock().unwrap().as_ref().unwrap().id()
    }

    /// The URL of a database of this server.
    pub fn url(&self, database: &str) -> String {
        self.url_at(self.address(), database)
    }

    /// The URL of a database of this server behind another address, such as that of a proxy.
    pub fn url_at(&self, address: SocketAddr, database: &str) -> String {
        format!("postgresql://{}@{address}/{database}", Self::USER)
    }

    /// Runs SQL in a database, as the superuser; what it returns, columns parted by `|`.
    ///
    /// # Panics
    /// If the SQL fails.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let output = self
            .client("psql")
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d"])
            .args([database, "-c", sql])
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{sql}: {error}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Makes an empty database, which goes with the handle.
    pub fn create_database(&self) -> TestDatabase<'_> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.sql(
            "postgres",
            &format!("CREATE DATABASE {name} TEMPLATE template0"),
        );
        TestDatabase { server: self, name }
    }

    /// Stops the server as an administrator would: connections are cut, what was committed is kept.
    pub fn stop(&self) {
        let mut running = self.process.lock().unwrap();
        let process = running.as_mut().unwrap();
        process.signal("INT");
        process.wait(Duration::from_secs(30));
        *running = None;
    }

    /// Kills the server and all its processes at once.
    pub fn kill(&self) {
        let mut running = self.process.lock().unwrap();
        running.as_mut().unwrap().kill();
        *running = None;
    }

    /// Starts the server again after [`stop`](Self::stop) or [`kill`](Self::kill), on the same data and port.
    pub fn start_again(&self) {
        self.run();
    }

    /// Stops and starts the server.
    pub fn restart(&self) {
        self.stop();
        self.start_again();
    }

    /// Pauses all processes of the server: connections stay, nothing answers.
    pub fn pause(&self) {
        self.process.lock().unwrap().as_ref().unwrap().pause();
    }

    /// Lets a paused server go on.
    pub fn resume(&self) {
        self.process.lock().unwrap().as_ref().unwrap().resume();
    }
}

/// A database of its own for a test. Dropped with everything in it, and with whoever is connected.
#[derive(Debug)]
pub struct TestDatabase<'a> {
    server: &'a PostgresServer,
    name: String,
}

impl TestDatabase<'_> {
    /// The URL of the database.
    pub fn url(&self) -> String {
        self.server.url(&self.name)
    }

    /// The name of the database.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs SQL in the database; see [`PostgresServer::sql`].
    pub fn sql(&self, sql: &str) -> String {
        self.server.sql(&self.name, sql)
    }
}

impl Drop for TestDatabase<'_> {
    fn drop(&mut self) {
        // The server may be down, and what the test has to say about it comes first.
        let _ = self
            .server
            .client("psql")
            .args(["-X", "-q", "-d", "postgres", "-c"])
            .arg(format!("DROP DATABASE {} WITH (FORCE)", self.name))
            .env("PGCONNECT_TIMEOUT", "2")
            .output();
    }
}

/// PostgreSQL refuses to run as root: then it runs as the user of its package.
fn other_user() -> Option<&'static str> {
    use std::os::unix::fs::MetadataExt;

    let me = fs::metadata("/proc/self").map(|process| process.uid());
    (me.unwrap_or_default() == 0).then_some("postgres")
}

/// Gives a file to the user that the server runs as.
fn own(path: &Path) {
    let Some(user) = other_user() else {
        return;
    };
    let id = |flag| {
        let id = Command::new("id").args([flag, user]).output().unwrap();
        let id = String::from_utf8(id.stdout).unwrap();
        id.trim()
            .parse()
            .unwrap_or_else(|_| panic!("the user {user} exists: {id:?}"))
    };
    chown(path, Some(id("-u")), Some(id("-g"))).unwrap();
}

/// Where PostgreSQL's programs are.
fn binaries() -> PathBuf {
    const DEBIAN: &str = "/usr/lib/postgresql/15/bin";
    if Path::new(DEBIAN).join("initdb").exists() {
        return DEBIAN.into();
    }
    let output = Command::new("pg_config").arg("--bindir").output();
    let directory = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let directory = PathBuf::from(directory.unwrap_or_default());
    assert!(
        directory.join("initdb").exists(),
        "these tests need a PostgreSQL server: no initdb in {DEBIAN} or where `pg_config --bindir` says; \
         `make setup` installs it"
    );
    directory
}
