//! What CONTRIBUTING.md asks of migrations.

use crate::files::steps;

/// Older servers run beside a new schema for a while: whoever takes something away says nothing, and they are refused; whoever
/// says that they go on working takes nothing away.
#[test]
fn what_works_with_older_servers_takes_nothing_away() {
    const TAKES_AWAY: [&str; 5] = ["DROP ", "RENAME ", " TYPE ", "SET NOT NULL", "TRUNCATE "];
    for backend in ["postgres", "sqlite"] {
        for step in steps(backend) {
            let name = format!("schema {}", step.version());
            let (says, unsays) = (step.up.contains(&name), step.down.contains(&name));
            assert_eq!(says, unsays, "{}: up.sql and down.sql differ", step.name);
            let takes = TAKES_AWAY.iter().find(|words| step.up.contains(*words));
            assert!(!says || takes.is_none(), "{}: {takes:?}", step.name);
        }
    }
}
