//! What fuzzing has found interesting, as tests: `make fuzz` adds to it.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;

#[path = "../fuzz/src/lib.rs"]
pub mod targets;

/// Tries every file of the corpus of a target.
fn replay(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut tried = 0;
    for file in fs::read_dir(folder.join(name)).unwrap() {
        let path = file.unwrap().path();
        // Shown if the target fails.
        println!("{}", path.display());
        target(&fs::read(path).unwrap());
        tried += 1;
    }
    assert!(tried > 0, "the corpus is empty");
}

macro_rules! replay {
    ($($target:ident)*) => {
        $(
            #[test]
            fn $target() {
                replay(stringify!($target), targets::$target);
            }
        )*

        /// No target is left out here.
        #[test]
        fn every_corpus_is_replayed() {
            let known = [$(stringify!($target)),*];
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
            for corpus in fs::read_dir(folder).unwrap() {
                let name = corpus.unwrap().file_name();
                assert!(known.iter().any(|known| name == *known), "{name:?}");
            }
        }
    };
}

replay! {
    path_key query cursor change_position ttl condition token scope import_line import
}
