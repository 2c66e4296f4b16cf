//! The commands of the document.

use std::path::{Path, PathBuf};
use std::process::Command;

const TEXT: &str = include_str!("../../../ops/BACKUP.md");

/// A block of commands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Block {
    SqliteBackup,
    SqliteRestore,
    Dump,
    RestoreBeside,
    Swap,
    RestoreInPlace,
    BaseBackup,
    Recover,
    Export,
    Import,
    Nightly,
}

impl Block {
    const ALL: [Self; 11] = [
        Self::SqliteBackup,
        Self::SqliteRestore,
        Self::Dump,
        Self::RestoreBeside,
        Self::Swap,
        Self::RestoreInPlace,
        Self::BaseBackup,
        Self::Recover,
        Self::Export,
        Self::Import,
        Self::Nightly,
    ];

    /// What is in this block only.
    const fn words(self) -> &'static str {
        match self {
            Self::SqliteBackup => "backup \"kverse-",
            Self::SqliteRestore => "kverse.db-wal kverse.db-shm\n",
            Self::Dump => "pg_dump ",
            Self::RestoreBeside => "createdb ",
            Self::Swap => "RENAME",
            Self::RestoreInPlace => "--clean",
            Self::BaseBackup => "pg_basebackup",
            Self::Recover => "recovery_target_time",
            Self::Export => "export --to",
            Self::Import => " import ",
            Self::Nightly => "-delete",
        }
    }

    fn is_in(self, block: &str) -> bool {
        block.contains(self.words())
    }
}

fn blocks() -> Vec<&'static str> {
    let blocks = TEXT.split("```sh\n").skip(1);
    blocks
        .map(|rest| rest.split("```").next().unwrap())
        .collect()
}

/// No command of the document is left out, since no block is that is not used by a test.
#[test]
fn its_blocks_are_known() {
    for block in blocks() {
        let known = Block::ALL.iter().filter(|known| known.is_in(block));
        assert_eq!(known.count(), 1, "{block}");
    }
    assert_eq!(blocks().len(), Block::ALL.len());
}

/// A directory in which commands are run, and their environment.
pub(crate) struct Shell {
    directory: PathBuf,
    path: String,
    variables: Vec<(&'static str, String)>,
}

impl Shell {
    pub(crate) fn new(directory: &Path) -> Self {
        let binaries = Path::new(env!("CARGO_BIN_EXE_kverse-cli"));
        let binaries = binaries.parent().unwrap().display();
        Self {
            directory: directory.to_owned(),
            path: format!("{binaries}:{}", std::env::var("PATH").unwrap()),
            variables: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Runs a block as it is in the document. What it prints.
    #[track_caller]
    pub(crate) fn run(&self, block: Block) -> String {
        let script = blocks().into_iter().find(|text| block.is_in(text));
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", script.unwrap()])
            .current_dir(&self.directory)
            .env("PATH", &self.path)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{block:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}
