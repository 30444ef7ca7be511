//! Ctrl-C: the first one ends orderly, the second one at once.

use tokio::sync::watch;

/// Whether the person at the terminal, or the system, wants this to end.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Listens from now on, to Ctrl-C and to the termination signal.
    pub(crate) fn listen() -> Self {
        let (wanted, heard) = watch::channel(false);
        tokio::spawn(async move {
            signal().await;
            wanted.send_replace(true);
            signal().await;
            // 128 and the number of SIGINT, as shells do.
            std::process::exit(130);
        });
        Self(heard)
    }

    /// Waits until it is time to end.
    pub(crate) async fn wanted(&self) {
        // The sender lives as long as the program.
        let _ = self.0.clone().wait_for(|wanted| *wanted).await;
    }
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}

#[cfg(not(unix))]
async fn signal() {
    drop(tokio::signal::ctrl_c().await);
}
