//! Runs of the binary.

use std::process::Output;

use assert_cmd::Command;

/// The binary with these arguments, on this store, and with nothing else from the environment.
pub(crate) fn command(store: &str, args: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("kverse-cli"));
    command.env("KVERSE_STORE", store).args(args);
    command
}

/// Runs the binary on a store.
pub(crate) fn cli(store: &str, args: &[&str]) -> Run {
    Run::of(&mut command(store, args))
}

/// How a run of the binary ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn of(command: &mut Command) -> Self {
        let Output {
            status,
            stdout,
            stderr,
        } = command.output().unwrap();
        Self {
            code: status.code(),
            stdout,
            stderr: String::from_utf8(stderr).unwrap(),
        }
    }

    /// Standard output as text, after a run that ended well and said nothing.
    #[track_caller]
    pub(crate) fn text(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""));
        String::from_utf8(self.stdout).unwrap()
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(self) -> serde_json::Value {
        serde_json::from_str(&self.text()).unwrap()
    }

    /// Asserts that the run failed with this code and a message that contains this, and printed nothing else.
    #[track_caller]
    pub(crate) fn failed(self, code: i32, message: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.stderr.contains(message), "{self:?}");
        assert!(!self.stderr.contains("panicked"), "{self:?}");
        assert!(self.stdout.is_empty(), "{self:?}");
    }
}
