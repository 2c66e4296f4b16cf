//! The signals that ask the command to end.

use tokio::sync::watch;

use crate::exit::Failure;
use crate::interrupt::Signals;

/// Counts the signals, which end the process no more.
#[derive(Clone)]
pub(super) struct Interrupts(watch::Receiver<u32>);

impl Interrupts {
    /// Catches the signals from now on.
    pub(super) fn listen() -> Result<Self, Failure> {
        let mut signals = Signals::catch()?;
        let (sender, receiver) = watch::channel(0);
        tokio::spawn(async move {
            loop {
                signals.next().await;
                sender.send_modify(|count| *count += 1);
            }
        });
        Ok(Self(receiver))
    }

    /// Completes once so many signals have come.
    pub(super) async fn received(&self, count: u32) {
        let mut receiver = self.0.clone();
        if receiver
            .wait_for(|received| *received >= count)
            .await
            .is_err()
        {
            // Nobody counts any more.
            std::future::pending().await
        }
    }

    pub(super) fn any(&self) -> bool {
        *self.0.borrow() > 0
    }

    /// Signals that never come.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self(watch::channel(0).1)
    }
}
