//! The list of all behaviours, in one place so that no two backends are held to different contracts.

/// Makes every behaviour of the conformance suite a test of its own for a [`Backend`](crate::testing::Backend):
/// `conformance!(module, Backend)` expands to a module of that name with a module for each group.
///
/// After the type comes what the backend can do: `clocked` if tests can set its clock, `durable` if it can restart on its
/// data; if both, in this order. Each adds its group. A declaration that is not what the backend says of itself
/// ([`Backend::clock`](crate::testing::Backend::clock), [`Capabilities::durable`](crate::Capabilities::durable)) fails, so
/// that no behaviour is left out unnoticed.
///
/// ```ignore
/// kverse_core::conformance!(memory, Memory, clocked);
/// kverse_core::conformance!(cached_over_sqlite, Wrapped<Sqlite, Cached>, clocked, durable);
/// ```
#[macro_export]
macro_rules! conformance {
    ($module:ident, $backend:ty $(,)?) => {
        $crate::conformance!(@module $module, $backend, unclocked, transient);
    };
    ($module:ident, $backend:ty, clocked $(,)?) => {
        $crate::conformance!(@module $module, $backend, clocked, transient);
    };
    ($module:ident, $backend:ty, durable $(,)?) => {
        $crate::conformance!(@module $module, $backend, unclocked, durable);
    };
    ($module:ident, $backend:ty, clocked, durable $(,)?) => {
        $crate::conformance!(@module $module, $backend, clocked, durable);
    };
    (@module $module:ident, $backend:ty, $clock:ident, $durability:ident) => {
        mod $module {
            use super::*;

            $crate::conformance!(@always $backend);
            $crate::conformance!(@$clock $backend);
            $crate::conformance!(@$durability $backend);
        }
    };
    (@always $backend:ty) => {
        $crate::conformance! { @tests $backend, basic:
            a_key_that_was_never_written_is_none
            put_replace_and_delete_take_effect_in_order
            keys_are_independent_and_compared_byte_by_byte
            the_shortest_and_the_longest_key_are_stored
            an_empty_value_is_not_a_missing_one
            every_byte_comes_back_as_it_was_stored
            the_content_type_belongs_to_the_value
            a_get_returns_the_version_of_the_write
            versions_grow_with_every_write_of_a_key
            a_delete_of_a_missing_key_changes_nothing
            a_read_answers_in_the_order_of_its_keys
            a_check_of_a_healthy_store_finds_nothing
        }
        $crate::conformance! { @tests $backend, ttl:
            an_entry_is_gone_after_its_time_to_live
            a_read_does_not_prolong_an_entry
            an_entry_tells_when_it_ends
            a_put_without_expiry_removes_it
            keep_keeps_the_expiry
            keep_without_an_expiry_is_never
            an_expiry_in_the_past_stores_what_is_gone_at_once
            an_expired_entry_is_absent_for_writes
            a_scan_skips_expired_entries
            stats_do_not_count_expired_entries
            a_transaction_does_not_see_expired_entries
            a_touch_changes_the_expiry_only
            a_touch_of_a_missing_key_changes_nothing
            a_touch_is_a_write_like_others
        }
        $crate::conformance! { @tests $backend, conditions:
            absent_creates_and_does_not_replace
            absent_holds_after_a_delete
            exists_replaces_and_does_not_create
            a_version_holds_until_the_next_write
            no_version_holds_for_an_absent_key
            a_delete_obeys_its_precondition
            a_failed_write_changes_nothing
            compare_and_swap_expects_what_it_was_told
        }
        $crate::conformance! { @tests $backend, batches:
            outcomes_are_in_the_order_of_the_writes
            writes_of_one_key_are_done_in_order
            a_failed_write_does_not_affect_the_others
            an_empty_batch_is_done
            a_batch_may_be_as_large_as_the_limit
        }
        $crate::conformance! { @tests $backend, transactions:
            all_operations_are_done_in_order
            a_failed_transaction_changes_nothing
            a_conflict_names_the_operation_and_the_version
            operations_see_the_writes_before_them
            a_transaction_can_break_its_own_precondition
            a_get_with_a_precondition_guards_the_writes
            a_transaction_stores_entries_whole
            a_transaction_may_be_empty_or_only_read
        }
        $crate::conformance! { @tests $backend, listing:
            a_scan_of_nothing_is_empty
            keys_come_in_byte_order
            a_prefix_selects_exactly_its_keys
            start_after_is_exclusive_and_may_lie_outside
            a_page_ends_at_its_limit
            a_walk_lists_each_key_once_at_any_page_size
            a_page_ends_at_its_bytes_with_at_least_one_entry
            a_scan_tells_what_a_get_tells
            deleted_keys_are_never_listed
            a_lasting_key_is_listed_once_while_others_come_and_go
        }
        $crate::conformance! { @tests $backend, folders:
            a_delimiter_folds_keys_into_folders
            a_folder_is_listed_if_it_has_a_key_after_the_start
            a_folder_is_there_while_one_of_its_keys_is
            folders_have_no_values
            a_count_is_that_of_the_keys
            deleting_a_prefix_leaves_everything_else
            lasting_keys_are_listed_once_in_folders
        }
        $crate::conformance! { @tests $backend, limits:
            a_value_may_be_as_large_as_the_limit
            a_value_over_the_limit_is_refused
            a_batch_refuses_only_the_value_over_the_limit
            a_transaction_with_a_value_over_the_limit_is_refused
            too_many_operations_are_refused
            too_many_bytes_are_refused
            too_many_bytes_are_not_read_at_once
            a_page_size_out_of_bounds_is_refused
        }
        $crate::conformance! { @tests $backend, write_ids:
            a_retried_put_gets_its_first_outcome
            a_retried_delete_gets_its_first_outcome
            a_retry_does_not_prolong_the_entry
            another_id_or_another_key_is_another_write
            a_retry_after_another_write_is_a_new_write
            a_failed_write_is_not_remembered
            a_delete_of_a_missing_key_displaces_no_id
            a_batch_recognises_each_retry
            a_retried_transaction_gets_its_first_outcomes
            a_retried_transaction_is_not_stopped_by_its_own_effect
            a_retried_transaction_is_recognised_by_any_of_its_writes
            a_transaction_is_no_retry_for_one_of_its_writes
        }
        $crate::conformance! { @tests $backend, stats:
            stats_count_the_keys_that_exist
            stats_count_what_was_done
        }
        $crate::conformance! { @tests $backend, concurrency:
            no_update_of_a_counter_is_lost
            exactly_one_of_many_wins
            concurrent_writes_never_share_a_version
            transfers_between_accounts_keep_the_sum
            everyone_reads_their_own_writes
            reads_never_go_back
            transactions_are_seen_whole
            batches_in_opposite_orders_get_through
            an_abandoned_write_is_done_whole_or_not_at_all
            an_abandoned_read_harms_no_one
        }
        $crate::conformance! { @tests $backend, changes:
            writes_are_told_with_their_versions
            an_expired_entry_is_told_once
            what_changed_nothing_is_not_told
            batches_and_transactions_are_told_whole
            any_position_can_be_gone_on_from
            a_prefix_selects_its_changes
            a_page_of_changes_ends_at_its_limit
            a_position_that_was_never_given_is_gone
            concurrent_writes_are_all_told_in_the_order_of_each_key
        }
        $crate::conformance! { @tests $backend, model:
            random_operations_agree_with_a_map
        }
    };
    (@clocked $backend:ty) => {
        $crate::conformance! { @tests $backend, clocked:
            an_entry_is_gone_exactly_at_its_end
            an_expiry_at_the_present_is_in_the_past
            a_version_is_the_time_of_its_write
            versions_grow_while_the_clock_goes_back
            a_put_over_a_long_expired_entry_starts_anew
        }
    };
    (@unclocked $backend:ty) => {
        $crate::conformance! { @tests $backend, unclocked:
            its_clock_cannot_be_set
        }
    };
    (@durable $backend:ty) => {
        $crate::conformance! { @tests $backend, durable:
            it_claims_to_be_durable
            entries_are_the_same_after_a_restart
            versions_grow_across_a_restart
            an_expiry_holds_across_a_restart
            a_write_can_be_retried_across_a_restart
            a_restart_shows_whole_transactions
            the_feed_goes_on_across_a_restart
        }
    };
    (@transient $backend:ty) => {
        $crate::conformance! { @tests $backend, transient:
            it_does_not_claim_to_be_durable
        }
    };
    (@tests $backend:ty, $group:ident: $($behaviour:ident)*) => {
        mod $group {
            use super::*;

            $(
                #[test]
                fn $behaviour() {
                    $crate::testing::run::<$backend>(|backend| {
                        Box::pin($crate::testing::$group::$behaviour(backend))
                    });
                }
            )*
        }
    };
}

/// Runs [`conformance!`](crate::conformance) on a backend with each wrapper of this crate in front, and with all of them:
/// `conformance_of_wrappers!(module, Backend, …)`, with the same declarations. For a backend that is not shared.
#[macro_export]
macro_rules! conformance_of_wrappers {
    ($module:ident, $backend:ty $(, $can:ident)* $(,)?) => {
        mod $module {
            use super::*;
            use $crate::testing::{Wrapped, wrappers};

            $crate::conformance!(cached, Wrapped<$backend, wrappers::Cached> $(, $can)*);
            $crate::conformance!(coalesced, Wrapped<$backend, wrappers::Coalesced> $(, $can)*);
            $crate::conformance!(group_commit, Wrapped<$backend, wrappers::GroupCommit> $(, $can)*);
            $crate::conformance!(observed, Wrapped<$backend, wrappers::Observed> $(, $can)*);
            $crate::conformance!(stack, Wrapped<$backend, wrappers::Stack> $(, $can)*);
        }
    };
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn every_behaviour_is_listed() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/testing");
        let mut behaviours = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let group = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let source = std::fs::read_to_string(&path).unwrap();
            let listed = include_str!("list.rs")
                .split_once(&format!("@tests $backend, {group}:"))
                .map_or("", |(_, rest)| rest.split('}').next().unwrap());
            let names = source
                .lines()
                .filter_map(|line| line.strip_prefix("pub async fn ")?.split('(').next());
            for name in names {
                let found = listed.split_whitespace().any(|word| word == name);
                assert!(found, "{group}::{name} is not in the list");
                behaviours += 1;
            }
        }
        assert!(behaviours > 0);
    }
}
