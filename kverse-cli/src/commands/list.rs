use kverse_core::{KvStore, ScanOptions};
use kverse_store::wire::KeyResponse;

use crate::args::ListArgs;
use crate::exit::{Exit, Failure};
use crate::output::Output;

pub(crate) async fn run(
    store: &dyn KvStore,
    args: ListArgs,
    output: &mut Output,
) -> Result<Exit, Failure> {
    if args.values && !output.is_json() {
        return Err(Failure::usage(
            "--values needs -o json: a value may be any bytes, line breaks included",
        ));
    }
    let limits = store.capabilities().limits;
    let mut remaining = args.limit.map_or(usize::MAX, usize::from);
    let mut options = ScanOptions::new(args.prefix)
        .with_start_after(args.start_after)
        .with_max_bytes(limits.max_page_bytes)
        .with_values(args.values);
    loop {
        options.limit = remaining.min(limits.max_page_entries);
        let page = store.scan(options.clone()).await?;
        remaining -= page.entries.len().min(remaining);
        for entry in page.entries {
            if output.is_json() {
                output.json(&KeyResponse::from(entry))?;
            } else {
                output.line(entry.key.as_str())?;
            }
        }
        if page.next.is_none() || remaining == 0 {
            return Ok(Exit::Done);
        }
        // A page is shown before the next is fetched, and nothing is fetched that nobody reads.
        output.flush()?;
        options.start_after = page.next;
    }
}
