mod feed;
mod hook;

use kverse_core::{Change, ChangeKind, Entry, KvStore};
use kverse_store::wire::{ChangeResponse, KeyResponse, encode_value};
use serde::Serialize;

use self::feed::Feed;
use self::hook::Hook;
use crate::args::WatchArgs;
use crate::exit::{Exit, Failure};
use crate::interrupt::Signals;
use crate::output::Output;

pub(crate) async fn run(
    store: &dyn KvStore,
    args: WatchArgs,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let hook = Hook::new(&args);
    if args.include_value && hook.is_none() && !output.is_json() {
        return Err(Failure::usage(
            "--include-value needs -o json or a command: a value may be any bytes, line breaks included",
        ));
    }
    let mut signals = Signals::catch()?;
    let mut left = args.count.map_or(u64::MAX, u64::from);
    let mut feed = Feed::new(store, args.prefix, args.since);
    while left > 0 {
        let change = tokio::select! {
            biased;
            () = signals.next() => break,
            change = feed.next() => change?,
        };
        left -= 1;
        let entry = match change.kind {
            ChangeKind::Put if args.include_value => feed.entry(&change).await?,
            _ => None,
        };
        match &hook {
            // Not broken off by a signal: one from the keyboard goes to the command as well.
            Some(hook) => hook.run(&change, entry).await?,
            None => print(change, entry, output)?,
        }
        if feed.is_at_end_of_page() {
            output.flush()?;
        }
    }
    Ok(Exit::Done)
}

/// The line of JSON of an event.
#[derive(Serialize)]
struct Line {
    event: String,
    position: String,
    #[serde(flatten)]
    key: KeyResponse,
}

fn print(change: Change, entry: Option<Entry>, output: &mut Output) -> Result<(), Failure> {
    if !output.is_json() {
        let Change {
            kind, version, key, ..
        } = change;
        return output.line(&format!("{kind} {version} {key}"));
    }
    let Some(entry) = entry else {
        return output.json(&ChangeResponse::from(change));
    };
    let (value, value_base64) = encode_value(&entry.value);
    output.json(&Line {
        event: change.kind.as_str().to_owned(),
        position: change.position.to_string(),
        key: KeyResponse {
            key: change.key,
            version: entry.version,
            size: entry.value.len() as u64,
            content_type: entry.content_type,
            expires_at: entry.expires_at,
            value,
            value_base64,
        },
    })
}
