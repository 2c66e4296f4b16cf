use kverse_store::{MigrationState, StoreUrl, migrate, migrations, revert};
use serde::Serialize;

use crate::args::MigrateArgs;
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// The line of JSON for a migration.
#[derive(Serialize)]
struct MigrationLine {
    migration: String,
    state: &'static str,
}

pub(crate) async fn run(
    url: &StoreUrl,
    args: &MigrateArgs,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let found = match &args.revert {
        Some(name) => revert(url, name).await?,
        None if args.status => migrations(url).await?,
        None => migrate(url).await?,
    };
    for migration in found {
        let state = MigrationState::as_str(migration.state);
        if output.is_json() {
            output.json(&MigrationLine {
                migration: migration.name,
                state,
            })?;
        } else {
            output.line(&format!("{}: {state}", migration.name))?;
        }
    }
    Ok(Exit::Done)
}
