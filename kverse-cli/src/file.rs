//! Files that are written whole or not at all.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::exit::Failure;

/// A file that gets its name when it is complete; until then, and if that never comes, what had the name before keeps it.
#[derive(Debug)]
pub(crate) struct NewFile {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
}

impl NewFile {
    /// A file that is to have this path, and where that is a symbolic link, the one that it leads to.
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        let path = match fs::canonicalize(path) {
            Ok(existing) if existing.is_file() => existing,
            Ok(_) => {
                return Err(Failure::usage(format!(
                    "{} is not a regular file: write to it by redirecting standard output",
                    path.display()
                )));
            }
            Err(_) => path.to_owned(),
        };
        // As for any new file: the umask decides.
        Self::with_mode(path, 0o666)
    }

    /// A file that is not there yet, which only its owner may read.
    pub(crate) fn private(path: &Path) -> Result<Self, Failure> {
        if path.symlink_metadata().is_ok() {
            return Err(Failure::usage(format!(
                "{} exists: give the name of a new file",
                path.display()
            )));
        }
        Self::with_mode(path.to_owned(), 0o600)
    }

    fn with_mode(path: PathBuf, mode: u32) -> Result<Self, Failure> {
        let directory = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".kverse-").suffix(".part");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
        // Elsewhere the directory decides.
        #[cfg(not(unix))]
        let _ = mode;
        let file = builder
            .tempfile_in(directory)
            .map_err(|error| cannot_write(&path, &error))?;
        Ok(Self {
            path,
            file: BufWriter::new(file),
        })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| cannot_write(&self.path, &error))
    }

    /// Where the file is until it has its name, for others to write it.
    pub(crate) fn place(&self) -> &Path {
        self.file.get_ref().path()
    }

    /// Gives a file that others have written its name, unless another has it by now. How long the file is.
    pub(crate) fn finish_new(self) -> Result<u64, Failure> {
        let Self { path, file } = self;
        let named = || {
            let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            let bytes = file.as_file().metadata()?.len();
            file.persist_noclobber(&path).map_err(|error| error.error)?;
            Ok(bytes)
        };
        named().map_err(|error| cannot_write(&path, &error))
    }

    /// Gives the file its name, once it is on the disk.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        let Self { path, file } = self;
        let named = || {
            let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|error| error.error)?;
            Ok(())
        };
        named().map_err(|error| cannot_write(&path, &error))
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::Local(format!("cannot write {}: {error}", path.display()))
}
