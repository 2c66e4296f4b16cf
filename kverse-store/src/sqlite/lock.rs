//! One process, and in it one store, per database file.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use kverse_core::{Error, ErrorKind};

use super::error::SqliteError;

/// Holds the lock of a database file. The operating system gives it up when the process ends, however it ends.
///
/// The lock is on `PATH.lock`, where the holder's process id stands. The file stays when the lock is given up, empty: to
/// remove it would let two processes lock two files of that name.
#[derive(Debug)]
pub(super) struct DatabaseLock(File);

impl DatabaseLock {
    /// Takes the lock of the database at `path`.
    pub(super) fn take(path: &Path) -> Result<Self, SqliteError> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(lock_path(path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(path, &mut file).into()),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        // The id is only a hint, for which a full disk may have no room.
        let _ = file
            .set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self(file))
    }
}

impl Drop for DatabaseLock {
    fn drop(&mut self) {
        // Only a hint for people who look at the file: closing it is what gives up the lock.
        let _ = self.0.set_len(0);
    }
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".lock");
    name.into()
}

fn in_use(path: &Path, lock: &mut File) -> Error {
    let mut holder = String::new();
    // Unreadable where locks are mandatory; then the message goes without it.
    let _ = lock.take(32).read_to_string(&mut holder);
    let holder = match holder.trim().parse::<u32>() {
        Ok(pid) => format!(" (pid {pid})"),
        Err(_) => String::new(),
    };
    Error::new(
        ErrorKind::Unavailable,
        format!(
            "{} is in use by another KVerse process{holder}; stop it, or use its HTTP address",
            path.display()
        ),
    )
}
