//! How calls, lines and addresses are at the moment, and versions of extensions.

use crate::call::Call;
use crate::core::Core;
use hookswitch_spi::{
    AddressId, AddressStatus, CallCounts, CallId, CallOptions, CallStatus, ExtensionVersion, Feature,
    Features, LineError, LineId, LineStatus, MediaType, MediaTypes, StateKind,
};

impl Core {
    /// What of a set of media types a line cannot carry is an error.
    pub(crate) fn can_carry(&self, id: LineId, media: MediaTypes) -> Result<(), LineError> {
        let line = self.line(id).ok_or(LineError::NoSuchLine(id))?;
        let possible = line.capabilities.media.with(MediaType::Unknown);
        if possible.covers(media) {
            return Ok(());
        }
        Err(LineError::UnsupportedMedia(possible.iter().fold(media, MediaTypes::without)))
    }

    /// Whether these media types could be detected and such a call be made.
    pub(crate) fn could_detect(
        &self,
        id: LineId,
        media: MediaTypes,
        options: &CallOptions,
    ) -> Result<(), LineError> {
        self.can_carry(id, media)?;
        let line = self.line(id).ok_or(LineError::NoSuchLine(id))?;
        let bounds = line.capabilities.no_answer_after;
        match options.no_answer_after {
            Some(after) if !bounds.contains(after) => {
                Err(LineError::Stored(format!("no call can ring for {after:?} on this line")))
            }
            Some(_) | None => Ok(()),
        }
    }

    pub(crate) fn negotiate_extension(
        &self,
        id: LineId,
        (low, high): (ExtensionVersion, ExtensionVersion),
    ) -> Result<ExtensionVersion, LineError> {
        let line = self.line(id).ok_or(LineError::NoSuchLine(id))?;
        let extension = line.capabilities.extension.ok_or(LineError::IncompatibleExtension)?;
        // While one is selected, only that one can be had.
        let (least, most) = match line.extension {
            ExtensionVersion::NONE => (extension.low, extension.high),
            selected => (selected, selected),
        };
        let highest = high.min(most);
        if highest < least || highest < low { Err(LineError::IncompatibleExtension) } else { Ok(highest) }
    }

    pub(crate) fn select_extension(
        &mut self,
        id: LineId,
        version: ExtensionVersion,
    ) -> Result<(), LineError> {
        if version != ExtensionVersion::NONE {
            self.negotiate_extension(id, (version, version))?;
        }
        let line = self.line_mut(id).ok_or(LineError::NoSuchLine(id))?;
        if line.open.is_none() {
            return Err(LineError::NotOpen(id));
        }
        line.extension = version;
        Ok(())
    }

    pub(crate) fn call_status(&self, id: CallId) -> Option<CallStatus> {
        let call = self.calls.get(id)?;
        let line = self.line(call.line)?;
        let possible = line.capabilities.possible(call.state.kind());
        Some(CallStatus { state: call.state.clone(), since: call.since, possible })
    }

    /// The calls of a line, or of one of its addresses, that exist for applications and have not ended.
    pub(crate) fn counts(&self, id: LineId, address: Option<AddressId>) -> CallCounts {
        let mut counts = CallCounts::default();
        for call in self.calls.on_line(id).into_iter().filter_map(|call| self.calls.get(call)) {
            if address.is_none_or(|address| call.address == address) && call.is_counted() {
                match call.state.kind() {
                    StateKind::OnHold => counts.held += 1,
                    StateKind::OnHoldPendingTransfer | StateKind::OnHoldPendingConference => {
                        counts.pending += 1
                    }
                    StateKind::Idle | StateKind::Disconnected => {}
                    StateKind::Offering
                    | StateKind::Accepted
                    | StateKind::Dialtone
                    | StateKind::Dialing
                    | StateKind::Proceeding
                    | StateKind::Ringback
                    | StateKind::Busy
                    | StateKind::Connected
                    | StateKind::Conferenced
                    | StateKind::Unknown => counts.active += 1,
                }
            }
        }
        counts
    }

    /// What can be asked of a line now that needs no call.
    fn possible(&self, id: LineId) -> Features {
        let Some(line) = self.line(id).filter(|line| line.open.is_some() && !self.closing.contains(&id))
        else {
            return Features::NONE;
        };
        let makes_calls =
            Features::of(&[Feature::MakeCall, Feature::Unpark, Feature::Pickup, Feature::SetupConference]);
        let others = Features::of(&[Feature::Forward, Feature::UncompleteCall, Feature::SetService]);
        let room = line.is_in_service() && line.calls < line.capabilities.max_calls;
        line.capabilities.features.intersection(if room { makes_calls.union(others) } else { others })
    }

    pub(crate) fn line_status(&self, id: LineId) -> Option<LineStatus> {
        let line = self.line(id)?;
        Some(LineStatus {
            state: line.state.clone(),
            open: line.open.is_some() && !self.closing.contains(&id),
            calls: self.counts(id, None),
            completions: 0,
            message_waiting: line.message_waiting,
            possible: self.possible(id),
        })
    }

    pub(crate) fn address_status(&self, id: LineId, address: AddressId) -> Option<AddressStatus> {
        let forwarding = self.line(id)?.forwarding.get(usize::from(address.0))?.clone();
        Some(AddressStatus { calls: self.counts(id, Some(address)), possible: self.possible(id), forwarding })
    }

    /// The address that others dial so: its user part, or its URI.
    pub(crate) fn address_id(&self, id: LineId, dialled: &str) -> Option<AddressId> {
        let line = self.line(id)?;
        (0..line.addresses()).map(AddressId).find(|address| {
            line.user(*address) == dialled || line.uri(*address).eq_ignore_ascii_case(dialled)
        })
    }
}

impl Call {
    /// It exists for applications: created, and taken.
    fn is_counted(&self) -> bool {
        self.taken == crate::call::Taken::Yes
            && !self.waiting.iter().any(|waiting| waiting.what == crate::call::Wait::Proceeding)
    }
}
