//! The example on real input: the machine's own packages, over HTTP, on disk.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "../examples/load_packages/packages.rs"]
mod packages;
#[path = "../examples/load_packages/round_trip.rs"]
mod round_trip;
#[path = "common/server.rs"]
mod server;

use kverse_core::KvStoreExt;
use kverse_store::StoreConfig;
use packages::Source;
use server::TestServer;

#[test]
fn a_description_is_whole() {
    let text = "Package: a\nVersion: 1\nDescription: short\n long\n .\n more\nSection: x\n\nPackage: b\nVersion: 2\n";
    let packages = packages::parse(text).unwrap();
    let found: Vec<_> = packages
        .iter()
        .map(|(key, text)| (key.as_str(), text.as_str()))
        .collect();
    assert_eq!(found, [("package/a", "short\n long\n .\n more")]);
}

#[test]
fn the_sample_is_read_whole() {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/packages.txt");
    let packages = Source::File(sample.into()).read().unwrap();
    assert_eq!(packages.len(), 200);
    assert!(packages.values().all(|text| text.lines().count() >= 4));
}

#[tokio::test]
async fn every_description_comes_back_as_it_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}", directory.path().join("packages.db").display());
    let server = TestServer::start(&["--database-url", &database]);
    let config = StoreConfig::new(server.url.parse().unwrap());
    let store = kverse_store::open(&config).await.unwrap();

    let packages = Source::machine().read().unwrap();
    assert!(packages.len() >= 200, "only {} packages", packages.len());
    let report = round_trip::run(store.as_ref(), &packages).await.unwrap();
    println!(
        "{} packages written in {:?}, read in {:?}",
        packages.len(),
        report.writing,
        report.reading
    );
    assert_eq!(report.different, []);
    assert_eq!(store.stats().await.unwrap().items, packages.len() as u64);

    // It does find a difference.
    let (key, _) = packages.first_key_value().unwrap();
    store.put(key, "something else").await.unwrap();
    let different = round_trip::compare(store.as_ref(), &packages).await;
    assert_eq!(different.unwrap(), std::slice::from_ref(key));
    drop(store);
}
