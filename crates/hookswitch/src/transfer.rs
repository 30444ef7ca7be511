//! More than one call at a time: swapping, consulting, transfers, conferences, parking, picking up, completing later.

use crate::application::Line;
use crate::{Audio, Call, Error};
use hookswitch_spi::{
    AddressId, CallOptions, CompletionId, CompletionMode, ConsultOptions, Operation, ParkAt, PickupFrom,
    TransferMode, TransferOutcome,
};
use hookswitch_telephony::{Reply, Request};
use std::time::Duration;

/// A conference that was set up.
#[derive(Clone, Debug)]
pub struct Conference {
    /// The conference call: dropping it ends the calls of all members.
    pub call: Call,
    /// The call to the next party, to be [added](Call::add_member) when it talks; none if nobody was to be called.
    pub next: Option<Call>,
}

fn consult(destination: &str, audio: Audio) -> ConsultOptions {
    let call = CallOptions { source: audio.into_source(), ..CallOptions::default() };
    ConsultOptions { call, ..ConsultOptions::to(destination) }
}

impl Call {
    /// Dials more on a call that was made with an empty or unfinished destination (lineDial). Digits ending in `;` leave it
    /// dialling; anything else completes the address.
    pub async fn dial(&self, digits: &str) -> Result<(), Error> {
        self.operate(Operation::Dial { call: self.id(), digits: digits.to_owned() }).await.map(drop)
    }

    /// Exchanges this connected call and one on hold (lineSwapHold).
    pub async fn swap_hold(&self, held: &Self) -> Result<(), Error> {
        self.operate(Operation::SwapHold { active: self.id(), held: held.id() }).await.map(drop)
    }

    /// Holds this call and calls somebody about it (lineSetupTransfer). With an empty destination the new call waits to be
    /// [dialled](Self::dial). It is completed by [`complete_transfer`](Self::complete_transfer) or
    /// [`join`](Self::join); retrieving this call ends it.
    pub async fn consult(&self, destination: &str, audio: Audio) -> Result<Self, Error> {
        let consult = consult(destination, audio);
        self.created(Operation::SetupTransfer { call: self.id(), consult }).await
    }

    /// Joins the parties of this held call and of its consultation call, and leaves (lineCompleteTransfer). Done when its outcome
    /// is known, or unknown for good, `within` this time.
    pub async fn complete_transfer(
        &self,
        consult: &Self,
        within: Duration,
    ) -> Result<TransferOutcome, Error> {
        let (call, consult, mode) = (self.id(), consult.id(), TransferMode::Transfer);
        match self.operate(Operation::CompleteTransfer { call, consult, mode, deadline: within }).await? {
            Reply::Transferred(outcome) => Ok(outcome),
            _ => Ok(TransferOutcome::Unknown),
        }
    }

    /// Makes a conference of this held call and its consultation call (lineCompleteTransfer, CONFERENCE); the conference call.
    pub async fn join(&self, consult: &Self) -> Result<Self, Error> {
        let (call, consult, mode) = (self.id(), consult.id(), TransferMode::Conference);
        self.created(Operation::CompleteTransfer { call, consult, mode, deadline: Duration::ZERO }).await
    }

    /// Holds this conference and calls another party for it (linePrepareAddToConference).
    pub async fn call_next(&self, destination: &str, audio: Audio) -> Result<Self, Error> {
        let consult = consult(destination, audio);
        self.created(Operation::PrepareAddToConference { conference: self.id(), consult }).await
    }

    /// Makes a call a member of this conference (lineAddToConference).
    pub async fn add_member(&self, member: &Self) -> Result<(), Error> {
        let operation = Operation::AddToConference { conference: self.id(), member: member.id() };
        self.operate(operation).await.map(drop)
    }

    /// Takes this member out of its conference (lineRemoveFromConference); where it goes is in the line's capabilities.
    pub async fn leave_conference(&self) -> Result<(), Error> {
        self.operate(Operation::RemoveFromConference { member: self.id() }).await.map(drop)
    }

    /// Leaves this call at an orbit of the switch (linePark), from where [`Line::unpark`] fetches it; which orbit.
    pub async fn park(&self, at: ParkAt) -> Result<String, Error> {
        match self.operate(Operation::Park { call: self.id(), at }).await? {
            Reply::Parked(orbit) => Ok(orbit),
            _ => Ok(String::new()),
        }
    }

    /// Has this call, which was not answered, completed when the called party is free (lineCompleteCall): with
    /// [`CompletionMode::CampOn`] this same call waits for the party and then calls it, with [`CompletionMode::CallBack`] the call
    /// ends, and another is offered when the party is free. [`Line::cancel_completion`] takes it back.
    ///
    /// Ask as soon as the call is *busy* (or rings for too long): a call that has ended cannot wait any more.
    pub async fn complete_later(&self, mode: CompletionMode) -> Result<CompletionId, Error> {
        match self.operate(Operation::CompleteCall { call: self.id(), mode }).await? {
            Reply::Completion(completion) => Ok(completion),
            _ => Err(Error::Stopped),
        }
    }

    async fn created(&self, operation: Operation) -> Result<Self, Error> {
        let (_, mut calls) = self.session().request_call(Request::Operate(operation)).await?;
        calls.pop().ok_or(Error::Stopped)
    }
}

impl Line {
    /// Begins a conference with a connected call as its first member, or none, and calls the next party (lineSetupConference).
    pub async fn set_up_conference(
        &self,
        first: Option<&Call>,
        destination: &str,
        audio: Audio,
    ) -> Result<Conference, Error> {
        let operation = Operation::SetupConference {
            line: self.id(),
            address: AddressId(0),
            call: first.map(Call::id),
            consult: consult(destination, audio),
        };
        let (_, calls) = self.session().request_call(Request::Operate(operation)).await?;
        let mut calls = calls.into_iter();
        let call = calls.next().ok_or(Error::Stopped)?;
        Ok(Conference { call, next: calls.next() })
    }

    /// Fetches a parked call (lineUnpark).
    pub async fn unpark(&self, orbit: &str) -> Result<Call, Error> {
        let (line, address, orbit) = (self.id(), AddressId(0), orbit.to_owned());
        self.created(Operation::Unpark { line, address, orbit }).await
    }

    /// Takes a call that alerts elsewhere (linePickup).
    pub async fn pick_up(&self, from: PickupFrom) -> Result<Call, Error> {
        let (line, address) = (self.id(), AddressId(0));
        self.created(Operation::Pickup { line, address, from }).await
    }

    /// Cancels a call completion (lineUncompleteCall).
    pub async fn cancel_completion(&self, completion: CompletionId) -> Result<(), Error> {
        self.operate(Operation::UncompleteCall { line: self.id(), completion }).await.map(drop)
    }

    async fn created(&self, operation: Operation) -> Result<Call, Error> {
        let (_, mut calls) = self.session().request_call(Request::Operate(operation)).await?;
        calls.pop().ok_or(Error::Stopped)
    }
}
