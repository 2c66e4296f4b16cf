//! What must hold always, and what must happen sometimes so that the search means something.

use stateright::Property;

use crate::protocol::Protocol;
use crate::state::{Mode, Reader, Reading, State, Writer, Writing};

pub(crate) const NO_STALE_HIT: &str = "no hit is older than a commit before the read began";
pub(crate) const NO_UNSEEN_COMMIT: &str = "no commit that hits which a lease allows would not see";

pub(crate) fn properties(protocol: &Protocol) -> Vec<Property<Protocol>> {
    let mut properties = vec![
        Property::always(NO_STALE_HIT, |protocol: &Protocol, state: &State| {
            !hits(protocol, state).any(|(_, stale)| stale)
        }),
        Property::always(NO_UNSEEN_COMMIT, |protocol: &Protocol, state: &State| {
            !unseen_commit(protocol, state)
        }),
        Property::sometimes(
            "a hit after a writer that never finished",
            |protocol: &Protocol, state: &State| {
                let lost = |writer: &Writer| {
                    matches!(writer.phase, Writing::Committed(_)) && !writer.in_marker
                };
                state.writers.iter().any(lost) && hits(protocol, state).next().is_some()
            },
        ),
        Property::sometimes("a fill is refused", |_: &Protocol, state: &State| {
            let refused = |reader: &Reader| {
                matches!(reader.phase, Reading::Fetched(_)) && !reader.holds_lease
            };
            state.readers.iter().any(refused)
        }),
    ];
    if protocol.register {
        properties.extend([
            Property::sometimes(
                "a hit in the second epoch",
                |protocol: &Protocol, state: &State| {
                    hits(protocol, state).any(|(reader, _)| reader.stage.epoch == 1)
                },
            ),
            Property::sometimes("a marker stands again", |_: &Protocol, state: &State| {
                let renewed = |writer: &Writer| {
                    writer.phase == Writing::Overdue && writer.in_marker && !writer.lapsed
                };
                state.writers.iter().any(renewed)
            }),
            Property::sometimes(
                "a hit after the cache was off",
                |protocol: &Protocol, state: &State| {
                    let unmarked = |writer: &Writer| writer.phase == Writing::DoneUnmarked;
                    state.writers.iter().any(unmarked) && hits(protocol, state).next().is_some()
                },
            ),
            Property::sometimes(
                "an unmarked commit while off",
                |protocol: &Protocol, state: &State| {
                    let unmarked = |writer: &Writer| {
                        writer.stage.mode == Mode::Off && protocol.rules.may_commit(writer)
                    };
                    state.writers.iter().any(unmarked)
                },
            ),
        ]);
    }
    properties
}

/// The reads whose next step serves what the cache answered, and whether that is stale.
fn hits<'a>(protocol: &'a Protocol, state: &'a State) -> impl Iterator<Item = (&'a Reader, bool)> {
    state
        .readers
        .iter()
        .filter_map(move |reader| match reader.phase {
            Reading::Answered { stale } if protocol.rules.serves(state, reader) => {
                Some((reader, stale))
            }
            _ => None,
        })
}

/// A write that can commit now and is not marked in an epoch where some replica may serve hits.
fn unseen_commit(protocol: &Protocol, state: &State) -> bool {
    let hits = state.replicas.iter().filter_map(|replica| replica.view);
    let mut hits = hits.filter(|view| view.mode == Mode::On);
    hits.any(|view| {
        state.writers.iter().any(|writer| {
            protocol.rules.may_commit(writer)
                && (writer.stage.mode == Mode::Off || writer.stage.epoch != view.epoch)
        })
    })
}
