//! Input that is read piece by piece.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use tokio::sync::mpsc;

use crate::exit::Failure;

/// A file, or standard input, that a thread of its own reads ahead: waiting for it holds up nothing else, not even the end
/// of the process.
#[derive(Debug)]
pub(crate) struct Pieces {
    name: String,
    /// The size of a regular file.
    pub(crate) size: Option<u64>,
    pieces: mpsc::Receiver<io::Result<Vec<u8>>>,
}

impl Pieces {
    const PIECE_BYTES: usize = 64 << 10;
    const AHEAD: usize = 4;

    /// Reads a file; `-`, or none, is standard input.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            if path.is_none() && io::stdin().is_terminal() {
                return Err(Failure::usage(
                    "nothing to read: give FILE, or - to type lines and end with Ctrl-D",
                ));
            }
            return Ok(Self::start("standard input".to_owned(), None, io::stdin()));
        };
        let name = path.display().to_string();
        let opened = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
        let (metadata, file) = opened.map_err(|error| cannot_read(&name, &error))?;
        let size = metadata.is_file().then_some(metadata.len());
        Ok(Self::start(name, size, file))
    }

    fn start(name: String, size: Option<u64>, mut source: impl Read + Send + 'static) -> Self {
        let (sender, pieces) = mpsc::channel(Self::AHEAD);
        std::thread::spawn(move || {
            loop {
                let mut piece = vec![0; Self::PIECE_BYTES];
                let read = match source.read(&mut piece) {
                    Ok(0) => return,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Ok(count) => {
                        piece.truncate(count);
                        Ok(piece)
                    }
                    Err(error) => Err(error),
                };
                let is_last = read.is_err();
                if sender.blocking_send(read).is_err() || is_last {
                    return;
                }
            }
        });
        Self { name, size, pieces }
    }

    /// The next piece; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let piece = self.pieces.recv().await.transpose();
        piece.map_err(|error| cannot_read(&self.name, &error))
    }
}

/// Input that cannot be read.
pub(crate) fn cannot_read(name: &str, error: &io::Error) -> Failure {
    Failure::Local(format!("cannot read {name}: {error}"))
}
