use kverse_core::KvStore;
use kverse_store::wire::StatsResponse;

use crate::exit::{Exit, Failure};
use crate::output::Output;

pub(crate) async fn run(store: &dyn KvStore, output: &mut Output) -> Result<Exit, Failure> {
    let stats = store.stats().await?;
    if output.is_json() {
        output.json(&StatsResponse {
            items: stats.items,
            as_of: stats.as_of,
        })?;
    } else {
        output.line(&format!("items: {}", stats.items))?;
        output.line(&format!("as of: {}", stats.as_of))?;
    }
    Ok(Exit::Done)
}
