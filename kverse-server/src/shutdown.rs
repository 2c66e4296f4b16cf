//! What asks the server to stop.

use std::io;

use crate::StartError;

/// Catches from now on SIGTERM and SIGINT, on Windows Ctrl-C, Ctrl-Break, a closed console and a shutdown of the system; the
/// future completes when one of them has come.
///
/// # Errors
/// If the system refuses the handlers.
pub fn shutdown_signal() -> Result<impl Future<Output = ()> + Send + use<>, StartError> {
    let signal = next_signal()?;
    Ok(async move {
        let name = signal.await;
        tracing::info!(signal = name, "stopping: answering what was accepted");
    })
}

#[cfg(unix)]
fn next_signal() -> io::Result<impl Future<Output = &'static str> + Send + use<>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    })
}

#[cfg(windows)]
fn next_signal() -> io::Result<impl Future<Output = &'static str> + Send + use<>> {
    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown};

    let mut interrupt = ctrl_c()?;
    let mut pause = ctrl_break()?;
    let mut close = ctrl_close()?;
    let mut shutdown = ctrl_shutdown()?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => "CTRL_C",
            _ = pause.recv() => "CTRL_BREAK",
            _ = close.recv() => "CTRL_CLOSE",
            _ = shutdown.recv() => "CTRL_SHUTDOWN",
        }
    })
}
