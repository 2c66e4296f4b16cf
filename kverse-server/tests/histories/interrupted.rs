//! Writes that are interrupted at a chosen point between mark and finish.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kverse_core::testing::history::Answer;
use kverse_core::{Key, Precondition};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::client::Client;
use crate::cluster::Cluster;
use crate::database::Database;
use crate::workload::Workload;

/// What stands still while a write is on its way to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interruption {
    /// The link of its replica to the database.
    Link,
    /// The replica, and with it the link.
    Process,
}

/// What was there before, and what the interrupted write stores.
const OLD: &str = "old";
const NEW: &str = "new";

/// Longer than a marker lives, even of a writer who has waited for some time.
const LAPSED: Duration = Duration::from_secs(40);

/// A write of the first replica is held up after its mark, until the marker has lapsed and the other replica has cached
/// the old value again. What reaches the database then is refused by the fence.
pub(crate) async fn before_database(
    cluster: &Cluster,
    workload: &Workload,
    interruption: Interruption,
) {
    let (writer, reader) = (&workload.clients[0], &workload.clients[1]);
    let (key, replica) = (&workload.spare, &cluster.replicas[0]);
    let database = Database::connect(cluster).await;
    store_old(reader, key).await;
    reader.until_hit(key, OLD, LAPSED).await;

    replica.postgres.hold_before(format!("{NEW} "));
    let write = tokio::spawn(put_new(Arc::clone(writer), key.clone(), Precondition::None));
    eventually("the write is on its way", async || {
        replica.postgres.has_triggered()
    })
    .await;
    assert!(is_marked(cluster, key));
    if interruption == Interruption::Process {
        replica.pause();
    }
    reader.until_hit(key, OLD, LAPSED).await;
    replica.postgres.mend();
    // The database gets the statement now, whether or not anybody waits for its answer.
    workload.others_serve().await;
    if interruption == Interruption::Process {
        replica.resume();
    }
    refused(workload, &database, write).await;
}

/// The first replica stands still in the middle of a conditional write, until its marker has lapsed and the other replica
/// has cached the old value again.
pub(crate) async fn in_transaction(cluster: &Cluster, workload: &Workload) {
    let reader = &workload.clients[1];
    let (key, replica) = (&workload.spare, &cluster.replicas[0]);
    let (database, other) = (
        Database::connect(cluster).await,
        Database::connect(cluster).await,
    );
    let write = write_behind(&other, cluster, workload, &database, Precondition::Exists).await;
    replica.pause();
    other.unlock().await;
    reader.until_hit(key, OLD, LAPSED).await;
    replica.resume();
    refused(workload, &database, write).await;
}

/// The first replica is killed after the commit of a write and before its marker was ended. Nobody reads the old value
/// from then on, and the new one is cached at last.
pub(crate) async fn before_finish(cluster: &mut Cluster, workload: &Workload) {
    let (reader, key) = (&workload.clients[1], &workload.spare);
    let (database, other) = (
        Database::connect(cluster).await,
        Database::connect(cluster).await,
    );
    let write = write_behind(&other, cluster, workload, &database, Precondition::None).await;
    cluster.replicas[0].redis.hold();
    other.unlock().await;
    eventually("the write is committed", async || {
        database.identity(key).await.as_deref() == Some(NEW)
    })
    .await;
    cluster.replicas[0].kill();
    assert!(is_marked(cluster, key), "the write was finished");
    // What it had still to say is lost with it.
    cluster.replicas[0].redis.cut();
    reader.until_hit(key, NEW, LAPSED).await;
    write.await.unwrap();
    cluster.replicas[0].redis.mend();
    cluster.replicas[0].start_again().await;
}

/// The commit of a write of the first replica takes so long that the replica, whose links to the database were cut, gives
/// its outcome up as unknown; then the cache loses its contents, and the marker with them. The old value must not be cached
/// while the write may still be stored.
pub(crate) async fn at_commit(cluster: &Cluster, workload: &Workload) {
    /// Later than a new epoch is in use if nobody waits for the write, and before a marker lapses.
    const COMMIT: Duration = Duration::from_secs(8);
    const MARKED: Duration = Duration::from_secs(9);
    let (writer, key) = (&workload.clients[0], &workload.spare);
    let database = Database::connect(cluster).await;
    store_old(writer, key).await;
    for client in &workload.clients {
        client.until_hit(key, OLD, LAPSED).await;
    }

    database.hold_commits(key).await;
    let began = Instant::now();
    let write = tokio::spawn(put_new(Arc::clone(writer), key.clone(), Precondition::None));
    eventually("the write waits for its commit", async || {
        database.is_commit_held().await
    })
    .await;
    cluster.replicas[0].postgres.cut();
    assert_eq!(write.await.unwrap(), Answer::Unknown);
    assert_eq!(cluster.redis.command(&["FLUSHALL"]), "+OK");
    while began.elapsed() < COMMIT {
        for client in &workload.clients {
            client.get(key).await;
        }
    }
    database.release_commits().await;
    let took = began.elapsed();
    assert!(took < MARKED, "the commit came too late: {took:?}");
    assert_eq!(database.identity(key).await.as_deref(), Some(NEW));
    for client in &workload.clients {
        client.until_hit(key, NEW, LAPSED).await;
    }
}

/// A write of the first replica that has marked its key, which is cached, and waits for the row, which is locked.
async fn write_behind(
    lock: &Database,
    cluster: &Cluster,
    workload: &Workload,
    database: &Database,
    precondition: Precondition,
) -> JoinHandle<Answer> {
    let (writer, reader) = (&workload.clients[0], &workload.clients[1]);
    let key = &workload.spare;
    store_old(reader, key).await;
    reader.until_hit(key, OLD, LAPSED).await;

    lock.lock(key).await;
    let write = tokio::spawn(put_new(Arc::clone(writer), key.clone(), precondition));
    eventually("the write waits for the row", async || {
        // The waiting may be another's.
        is_marked(cluster, key) && database.anyone_waits().await
    })
    .await;
    write
}

async fn store_old(client: &Client, key: &Key) {
    let answer = client.put(key, OLD.to_owned(), Precondition::None).await;
    assert!(matches!(answer, Answer::Written(_)), "{answer:?}");
}

async fn put_new(client: Arc<Client>, key: Key, precondition: Precondition) -> Answer {
    client.put(&key, NEW.to_owned(), precondition).await
}

/// The interrupted write was not done, and never will be.
async fn refused(workload: &Workload, database: &Database, write: JoinHandle<Answer>) {
    let answer = write.await.unwrap();
    assert!(!matches!(answer, Answer::Written(_)), "{answer:?}");
    // Whatever its replica still had to send is sent before its next writes.
    workload.all_write(10).await;
    let stored = database.identity(&workload.spare).await;
    assert_eq!(stored.as_deref(), Some(OLD), "the fence has a hole");
}

fn is_marked(cluster: &Cluster, key: &Key) -> bool {
    // What tells the database from others is part of the name.
    const GET: &str = "local found = redis.call('KEYS', ARGV[1])[1]; return found and redis.call('GET', found) or ''";
    let name = format!("kv-*:{}:{key}", cluster.epoch());
    let found = cluster.redis.command(&["EVAL", GET, "0", &name]);
    found.starts_with("KM")
}

async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(3);
    while !is_so().await {
        assert!(Instant::now() < deadline, "not in time: {what}");
        sleep(Duration::from_millis(1)).await;
    }
}
