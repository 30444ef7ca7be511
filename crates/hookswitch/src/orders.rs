//! The orders of applications in force, and those who want to know of changes: programs that store them, and the store.

use hookswitch_telephony::Priorities;
use std::sync::OnceLock;
use tokio::sync::watch;

/// Told that an order has changed.
type Keeper = Box<dyn Fn() + Send + Sync>;

/// Who comes first for which media type, and for requests for calls.
pub(crate) struct Orders {
    now: watch::Sender<Priorities>,
    keeper: OnceLock<Keeper>,
}

impl Orders {
    pub(crate) fn new(priorities: Priorities) -> Self {
        Self { now: watch::Sender::new(priorities), keeper: OnceLock::new() }
    }

    /// The orders now.
    pub(crate) fn get(&self) -> Priorities {
        self.now.borrow().clone()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Priorities> {
        self.now.subscribe()
    }

    /// An application has set one.
    pub(crate) fn send_modify(&self, change: impl FnOnce(&mut Priorities)) {
        self.now.send_modify(change);
        if let Some(keeper) = self.keeper.get() {
            keeper();
        }
    }

    /// These were stored by somebody else.
    pub(crate) fn replace(&self, priorities: Priorities) {
        self.now.send_replace(priorities);
    }

    /// Whom to tell from now on that an application has set one.
    pub(crate) fn kept_by(&self, keeper: impl Fn() + Send + Sync + 'static) {
        // Only the first one is told; there is one store.
        let _ = self.keeper.set(Box::new(keeper));
    }
}
