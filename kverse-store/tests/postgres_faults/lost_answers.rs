//! Answers that are lost, and requests that come too late.

use std::time::{Duration, Instant};

use kverse_core::cached::with_write_fence;
use kverse_core::{ErrorKind, KvStore, KvStoreExt, PutOptions, Write};
use tokio::time::sleep;

use crate::behind_proxy::BehindProxy;
use crate::common::{exists, key};

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_found_out() {
    let fixture = BehindProxy::start().await;
    fixture.proxy.cut_after("COMMIT");
    let outcome = fixture
        .store
        .put_opts(&key("warm"), "new", exists())
        .await
        .unwrap();
    assert!(fixture.proxy.has_triggered());
    assert!(outcome.existed && !outcome.replayed);
    let entry = fixture.store.get(&key("warm")).await.unwrap().unwrap();
    assert_eq!(
        (entry.value, entry.version),
        ("new".into(), outcome.version)
    );
}

#[tokio::test]
async fn a_put_whose_answer_was_lost_is_found_out() {
    let fixture = BehindProxy::start().await;
    fixture.proxy.cut_after("needle");
    let writes = vec![Write::put(key("a"), "needle"), Write::put(key("warm"), "b")];
    let outcomes = fixture.store.write(writes).await.unwrap();
    assert!(fixture.proxy.has_triggered());
    let outcomes: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
    assert_eq!([outcomes[0].existed, outcomes[1].existed], [false, true]);
    let entry = fixture.store.get(&key("a")).await.unwrap().unwrap();
    assert_eq!(
        (entry.value, entry.version),
        ("needle".into(), outcomes[0].version)
    );
}

#[tokio::test]
async fn a_write_that_nobody_knows_of_is_a_timeout() {
    let fixture = BehindProxy::start().await;
    for (trigger, options) in [("needle", PutOptions::default()), ("COMMIT", exists())] {
        fixture.proxy.cut_before(trigger);
        let put = fixture
            .store
            .put_opts(&key("warm"), "needle", options)
            .await;
        assert!(fixture.proxy.has_triggered());
        assert_eq!(put.unwrap_err().kind(), ErrorKind::Timeout);
        let entry = fixture.store.get(&key("warm")).await.unwrap().unwrap();
        assert_eq!(entry.value, "up");
    }
}

/// The request of a writer that was held up arrives after its fence: it is refused, whatever kind of write it is.
#[tokio::test]
async fn a_write_that_arrives_after_its_fence_is_not_stored() {
    let fixture = BehindProxy::start().await;
    for options in [PutOptions::default(), exists()] {
        fixture.proxy.hold();
        let warm = key("warm");
        let put = fixture.store.put_opts(&warm, "late", options);
        let mend = async {
            sleep(Duration::from_millis(800)).await;
            fixture.proxy.mend();
        };
        let (put, ()) = tokio::join!(put, mend);
        assert_eq!(put.unwrap_err().kind(), ErrorKind::Unavailable);
        let entry = fixture.store.get(&key("warm")).await.unwrap().unwrap();
        assert_eq!(entry.value, "up");
        fixture.store.put(&key("other"), "in time").await.unwrap();
    }
}

/// A deadline that the caller set, as a cache does, is kept too.
#[tokio::test]
async fn a_write_keeps_to_the_deadline_of_its_task() {
    let fixture = BehindProxy::start().await;
    let put = async || fixture.store.put(&key("warm"), "new").await;
    let passed = Instant::now();
    let error = with_write_fence(passed.into(), put()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let deadline = Instant::now() + Duration::from_secs(10);
    with_write_fence(deadline.into(), put()).await.unwrap();
}
