//! Exactly once, by construction: the value that an accepted request leaves behind until it is completed.

use crate::{OperationError, Outcome, ProviderEvent, RequestId};
use std::sync::{Arc, Mutex, PoisonError};

/// An accepted request that is not completed yet. It can be completed once, as that takes it; one that is dropped on the way is
/// completed as failed by [`Completions::lost`], so that nobody waits for ever.
#[derive(Debug)]
#[must_use = "an accepted request has to be completed"]
pub struct Completion {
    request: RequestId,
    /// Taken when it is completed.
    lost: Option<Arc<Mutex<Vec<RequestId>>>>,
}

impl Completion {
    /// Which request.
    pub const fn request(&self) -> RequestId {
        self.request
    }

    /// The event that completes it.
    pub fn complete(mut self, result: Result<Outcome, OperationError>) -> ProviderEvent {
        self.lost = None;
        ProviderEvent::Completed { request: self.request, result }
    }

    /// The request is refused after all, before it was accepted: its caller is told by the returned error, not by an event.
    pub fn refuse(mut self) -> RequestId {
        self.lost = None;
        self.request
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        if let Some(lost) = self.lost.take() {
            lost.lock().unwrap_or_else(PoisonError::into_inner).push(self.request);
        }
    }
}

/// Where the completions of one provider come from.
#[derive(Debug, Default)]
pub struct Completions {
    lost: Arc<Mutex<Vec<RequestId>>>,
}

impl Completions {
    /// A request was accepted.
    pub fn accept(&self, request: RequestId) -> Completion {
        Completion { request, lost: Some(Arc::clone(&self.lost)) }
    }

    /// Requests whose completion was dropped: an error of the provider's. To be asked for wherever events are handed out.
    pub fn lost(&self) -> Option<ProviderEvent> {
        let request = self.lost.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        let why = "the provider lost track of the request; this is a defect, please report it";
        Some(ProviderEvent::Completed { request, result: Err(OperationError::Failed(why.into())) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_completion_that_is_dropped_completes_as_failed_and_only_then() {
        let completions = Completions::default();
        let first = completions.accept(RequestId(1));
        let second = completions.accept(RequestId(2));
        let third = completions.accept(RequestId(3));
        assert_eq!(
            first.complete(Ok(Outcome::Done)),
            ProviderEvent::Completed { request: RequestId(1), result: Ok(Outcome::Done) }
        );
        assert_eq!(third.refuse(), RequestId(3));
        assert!(completions.lost().is_none());
        drop(second);
        assert!(matches!(
            completions.lost(),
            Some(ProviderEvent::Completed { request: RequestId(2), result: Err(OperationError::Failed(_)) })
        ));
        assert!(completions.lost().is_none());
    }
}
