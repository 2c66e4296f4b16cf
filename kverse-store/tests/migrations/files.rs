//! The migrations as they are in the source.

use std::fs;
use std::path::Path;

/// A step of a schema.
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) up: String,
    pub(crate) down: String,
}

impl Step {
    /// What diesel calls it.
    pub(crate) fn version(&self) -> String {
        let (version, _) = self.name.split_once('_').unwrap();
        version.replace('-', "")
    }

    /// The SQL that does it, and takes note of it as diesel does.
    pub(crate) fn sql(&self) -> String {
        format!(
            "CREATE TABLE IF NOT EXISTS __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, \
             run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);\n{}\n\
             INSERT INTO __diesel_schema_migrations (version) VALUES ('{}');",
            self.up,
            self.version()
        )
    }
}

/// All migrations of a backend, in their order.
pub(crate) fn steps(backend: &str) -> Vec<Step> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("migrations")
        .join(backend);
    let mut steps = Vec::new();
    for step in fs::read_dir(folder).unwrap() {
        let step = step.unwrap();
        let read = |name| fs::read_to_string(step.path().join(name)).unwrap();
        steps.push(Step {
            name: step.file_name().into_string().unwrap(),
            up: read("up.sql"),
            down: read("down.sql"),
        });
    }
    steps.sort_by(|a, b| a.name.cmp(&b.name));
    steps
}
