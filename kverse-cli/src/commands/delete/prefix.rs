//! Deleting all keys that begin with a prefix.

use std::io::{self, IsTerminal, Write};

use kverse_core::{Count, KvStore, KvStoreExt, Prefix};
use serde::Serialize;

use crate::exit::{Exit, Failure};
use crate::output::{Output, complain};

/// The line of JSON at the end.
#[derive(Serialize)]
struct Deleted<'a> {
    prefix: &'a Prefix,
    /// How many keys there were.
    deleted: u64,
}

pub(super) async fn delete(
    store: &dyn KvStore,
    prefix: &Prefix,
    yes: bool,
    output: &mut Output,
) -> Result<Exit, Failure> {
    if !yes {
        if !io::stdin().is_terminal() {
            return Err(Failure::usage(
                "deleting by prefix asks first, and there is no terminal to ask on: confirm with --yes",
            ));
        }
        let count = store.count(prefix, None).await?;
        if !confirmed(prefix, &count).map_err(|error| Failure::output(&error))? {
            complain("nothing was deleted");
            return Ok(Exit::Done);
        }
    }
    let (mut deleted, mut start_after) = (0, None);
    let done = loop {
        match store.delete_page(prefix, start_after).await {
            Ok(page) => {
                deleted += page.keys;
                start_after = page.next;
                if start_after.is_none() {
                    break Ok(Exit::Done);
                }
            }
            Err(error) => break Err(error.into()),
        }
    };
    if output.is_json() {
        output.json(&Deleted { prefix, deleted })?;
    } else {
        complain(&format!("deleted {}", keys(deleted)));
    }
    done
}

fn keys(count: u64) -> String {
    match count {
        1 => "1 key".to_owned(),
        count => format!("{count} keys"),
    }
}

/// Asks on the terminal.
fn confirmed(prefix: &Prefix, count: &Count) -> io::Result<bool> {
    let at_least = if count.next.is_some() {
        "at least "
    } else {
        ""
    };
    let which = match prefix.as_str() {
        "" => "all there are".to_owned(),
        prefix => format!("all that begin with {prefix:?}"),
    };
    let many = keys(count.keys);
    write!(io::stderr(), "Delete {at_least}{many}, {which}? [y/N] ")?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
