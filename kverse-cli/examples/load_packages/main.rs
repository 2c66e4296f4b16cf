//! Loads the descriptions of the machine's software packages into a store, reads every one back and compares.
//!
//! ```text
//! cargo run --release -p kverse-cli --example load_packages -- --store http://127.0.0.1:8000
//! ```

mod packages;
mod round_trip;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use kverse_store::{StoreConfig, StoreUrl};

/// Loads the descriptions of the machine's software packages, about 60 thousand on Debian, into a store as the keys
/// `package/NAME`, reads every one back and compares. Exits with 1 if any differs.
#[derive(Parser)]
struct Args {
    /// The store.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000")]
    store: StoreUrl,

    /// A file of package descriptions in Debian's control format. Default: what `apt-cache dumpavail` prints, or a small
    /// sample where that is nothing.
    #[arg(long, value_name = "FILE")]
    packages: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let args = Args::parse();
    let source = match args.packages {
        Some(file) => packages::Source::File(file),
        None => packages::Source::machine(),
    };
    let packages = source.read()?;
    println!("{} packages from {source}", packages.len());

    let store = kverse_store::open(&StoreConfig::new(args.store)).await?;
    let report = round_trip::run(store.as_ref(), &packages).await?;
    let rate = |time: Duration| packages.len() as f64 / time.as_secs_f64();
    println!(
        "written in {:.2?}, {:.0} keys a second",
        report.writing,
        rate(report.writing)
    );
    println!(
        "read in {:.2?}, {:.0} keys a second",
        report.reading,
        rate(report.reading)
    );
    for key in &report.different {
        eprintln!("not what was written: {key}");
    }
    println!(
        "{} the same, {} different",
        packages.len() - report.different.len(),
        report.different.len()
    );
    Ok(ExitCode::from(u8::from(!report.different.is_empty())))
}
