//! A standby of a PostgreSQL server for tests.

use std::time::Duration;

use super::postgres_server::{PostgresOptions, PostgresServer};
use super::process::wait_until;

const WAIT: Duration = Duration::from_secs(60);

impl PostgresServer {
    /// Starts a standby of this server, which follows it: a copy of all of its databases that can be read, and takes over when
    /// it is [promoted](Self::promote).
    ///
    /// # Panics
    /// As [`start`](Self::start), and if there is one already.
    pub fn start_standby(&self, options: PostgresOptions) -> Self {
        let standby = Self::without_data(options);
        let port = self.address().port().to_string();
        let source = ["-h", "127.0.0.1", "-p", &port, "-U", Self::USER];
        let how = [
            "--checkpoint=fast",
            "--no-sync",
            "--create-slot",
            "--slot=standby",
            "--write-recovery-conf",
        ];
        standby.run_on_data("pg_basebackup", &[&source[..], &how].concat());
        standby.run();
        standby
    }

    /// From now on a commit of this server is answered when its standby has it, too.
    pub fn wait_for_standby(&self) {
        self.set("synchronous_standby_names", "ANY 1 (*)");
        let waited_for = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'";
        wait_until("the standby is waited for", WAIT, || {
            self.sql("postgres", waited_for) == "1"
        });
    }

    /// Parts this standby from its primary, which goes on.
    pub fn stop_following(&self) {
        self.set("primary_conninfo", "");
        let receivers = "SELECT count(*) FROM pg_stat_wal_receiver";
        wait_until("the standby is on its own", WAIT, || {
            self.sql("postgres", receivers) == "0"
        });
    }

    /// Makes this standby a primary, with everything that it has received.
    pub fn promote(&self) {
        self.run_on_data("pg_ctl", &["promote", "--wait"]);
    }
}
