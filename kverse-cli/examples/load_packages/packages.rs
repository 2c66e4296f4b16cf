//! Package descriptions in Debian's control format.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use kverse_core::{Key, Result};

/// The descriptions by key.
pub(crate) type Packages = BTreeMap<Key, String>;

/// Where the descriptions come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// What the machine's package manager knows.
    AptCache,
    /// A file.
    File(PathBuf),
}

impl Source {
    /// The package manager, or the sample beside this crate where there is none or it knows nothing.
    pub(crate) fn machine() -> Self {
        match Self::AptCache.text() {
            Ok(text) if !text.trim().is_empty() => Self::AptCache,
            _ => Self::File(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/packages.txt").into()),
        }
    }

    /// All descriptions; of a package with several versions, that of the last.
    pub(crate) fn read(&self) -> io::Result<Packages> {
        parse(&self.text()?).map_err(io::Error::other)
    }

    fn text(&self) -> io::Result<String> {
        let bytes = match self {
            Self::AptCache => Command::new("apt-cache").arg("dumpavail").output()?.stdout,
            Self::File(path) => fs::read(path)?,
        };
        String::from_utf8(bytes).map_err(io::Error::other)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AptCache => f.write_str("apt-cache dumpavail"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// The `Package` and `Description` fields of each stanza. A field goes on in the lines that begin with a space.
pub(crate) fn parse(text: &str) -> Result<Packages> {
    let mut packages = Packages::new();
    for stanza in text.split("\n\n") {
        let (Some(name), Some(description)) =
            (field(stanza, "Package"), field(stanza, "Description"))
        else {
            continue;
        };
        packages.insert(Key::new(format!("package/{name}"))?, description);
    }
    Ok(packages)
}

fn field(stanza: &str, name: &str) -> Option<String> {
    let mut lines = stanza
        .lines()
        .skip_while(|line| line.split_once(':').is_none_or(|(field, _)| field != name));
    let (_, first) = lines.next()?.split_once(':')?;
    let mut value = first.trim_start().to_owned();
    for line in lines.take_while(|line| line.starts_with(' ')) {
        value.push('\n');
        value.push_str(line);
    }
    Some(value)
}
