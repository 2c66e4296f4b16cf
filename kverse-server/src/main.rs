//! The KVerse server: everything else is in the library.

use std::process::ExitCode;

use kverse_server::{Config, StartError, shutdown_signal, start};
use mimalloc::MiMalloc;

/// A request makes some thirty small allocations and one of about 2 KiB, which are a good part of its time with the
/// allocator of glibc.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let config = match Config::load() {
        Ok(config) => config,
        Err(error) => {
            // Nothing is left to be done about a stream that cannot be written.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    match run(&config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kverse-server: {error}");
            ExitCode::from(error.exit_status())
        }
    }
}

async fn run(config: &Config) -> Result<(), StartError> {
    let shutdown = shutdown_signal()?;
    start(config, shutdown).await
}
