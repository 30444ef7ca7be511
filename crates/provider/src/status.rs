//! How calls, lines and addresses are at the moment, and versions of extensions.

use crate::call::{Call, Counted, Counts, Taken};
use crate::core::Core;
use hookswitch_spi::{
    AddressId, AddressStatus, CallCounts, CallId, CallOptions, CallStatus, ExtensionVersion, Feature,
    Features, LineError, LineId, LineStatus, MediaType, MediaTypes, ProviderEvent, StateKind, StatusKind,
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
        if let Some(audio) = &options.audio {
            line.capabilities.device.check(audio).map_err(LineError::InvalidParameter)?;
        }
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
        let call = self.visible(id)?;
        let possible = self.possible_for(id, call)?;
        Some(CallStatus { state: call.state.clone(), since: call.since, possible })
    }

    /// What can be asked of a call now: by its state, its part in a transfer, and the limits of the line.
    fn possible_for(&self, id: CallId, call: &Call) -> Option<Features> {
        let line = self.line(call.line)?;
        let state = call.state.kind();
        let mut possible: Features = line
            .capabilities
            .possible(state)
            .iter()
            .filter(|feature| self.fits_role(id, *feature).is_ok())
            .collect();
        if call.state_for_completion() == StateKind::Busy {
            possible = possible
                .union(line.capabilities.features.intersection(Features::of(&[Feature::CompleteCall])));
        }
        let room = line.is_in_service() && line.has_room();
        let partner = call.partner().and_then(|partner| Some((partner, self.calls.get(partner)?)));
        let held = line.counts.iter().any(|counts| counts.held + counts.pending > 0);
        let ready = partner.is_some_and(|(_, other)| {
            Feature::CompleteTransfer.other_states().contains(&other.state.kind()) && !other.is_changing()
        });
        let alone = Features::of(&[Feature::SetupTransfer]);
        let needs_room = Features::of(&[
            Feature::SetupTransfer,
            Feature::SetupConference,
            Feature::PrepareAddToConference,
        ]);
        let changes = Features::of(&[
            Feature::Hold,
            Feature::Retrieve,
            Feature::SwapHold,
            Feature::SetupTransfer,
            Feature::CompleteTransfer,
            Feature::SetCallParameters,
        ]);
        let transfers = Features::of(&[
            Feature::BlindTransfer,
            Feature::SetupTransfer,
            Feature::CompleteTransfer,
            Feature::Park,
        ]);
        let most = u32::from(line.capabilities.max_completions);
        let not = [
            (line.extension == ExtensionVersion::NONE, Features::of(&[Feature::Extension])),
            (self.completions_of(call.line) >= most, Features::of(&[Feature::CompleteCall])),
            (!room, needs_room),
            (partner.is_some(), alone),
            (!ready, Features::of(&[Feature::CompleteTransfer])),
            (!held, Features::of(&[Feature::SwapHold])),
            (call.is_changing(), changes),
            (self.is_answered_early(call), Features::of(&[Feature::SetCallParameters])),
            (call.is_leaving(), transfers),
            // Nobody is called yet who could be told.
            (call.is_call_back(), Features::of(&[Feature::SendUserInfo])),
        ];
        for (applies, features) in not {
            if applies {
                possible = possible.minus(features);
            }
        }
        // It exists for nobody yet, or its line is being closed.
        let exists = self.existing(id).is_ok() && !self.closing.contains(&call.line);
        Some(if exists { possible } else { Features::NONE })
    }

    /// The calls of a line, or of one of its addresses, that exist for applications and have not ended.
    pub(crate) fn counts(&self, id: LineId, address: Option<AddressId>) -> CallCounts {
        let Some(line) = self.line(id) else { return CallCounts::default() };
        match address {
            Some(address) => line.counts.get(usize::from(address.0)).copied().unwrap_or_default(),
            None => line.counts.iter().fold(CallCounts::default(), |sum, counts| CallCounts {
                active: sum.active + counts.active,
                held: sum.held + counts.held,
                pending: sum.pending + counts.pending,
            }),
        }
    }

    /// Something about a call changed that the numbers of calls follow from.
    pub(crate) fn recount(&mut self, id: CallId) {
        let Some(call) = self.calls.get(id) else { return };
        let among = call.counts_as();
        let over = matches!(call.state.kind(), StateKind::Idle | StateKind::Disconnected);
        let secure = among.is_some() && call.extra.as_ref().is_some_and(|extra| extra.secure);
        self.count_as(id, Counts { among, in_progress: !over || call.bridge().is_some(), secure });
    }

    /// A call is gone.
    pub(crate) fn uncount(&mut self, id: CallId) {
        self.count_as(id, Counts::default());
    }

    fn count_as(&mut self, id: CallId, now: Counts) {
        let Some(call) = self.calls.get_mut(id).filter(|call| call.counted != now) else { return };
        let before = std::mem::replace(&mut call.counted, now);
        let (line_id, address) = (call.line, call.address);
        let Some(line) = self.line_mut(line_id) else { return };
        let adjusted = |number: u32, before: bool, now: bool| {
            number.saturating_add(now.into()).saturating_sub(before.into())
        };
        line.calls = adjusted(line.calls, before.in_progress, now.in_progress);
        line.secured = adjusted(line.secured, before.secure, now.secure);
        let Some(counts) = line.counts.get_mut(usize::from(address.0)) else { return };
        if before.among == now.among {
            return;
        }
        if let Some(slot) = before.among.map(|counted| slot(counts, counted)) {
            *slot = slot.saturating_sub(1);
        }
        if let Some(slot) = now.among.map(|counted| slot(counts, counted)) {
            *slot += 1;
        }
        let calls = *counts;
        if line.wants(StatusKind::CallCount) && !self.closing.contains(&line_id) {
            self.events.push_back(ProviderEvent::CallCount { line: line_id, address, calls });
        }
    }

    /// What can be asked of a line now that needs no call.
    fn possible(&self, id: LineId) -> Features {
        let Some(line) = self.line(id).filter(|line| line.open.is_some() && !self.closing.contains(&id))
        else {
            return Features::NONE;
        };
        let makes_calls =
            Features::of(&[Feature::MakeCall, Feature::Unpark, Feature::Pickup, Feature::SetupConference]);
        let mut others = Features::of(&[Feature::Forward, Feature::SetService]);
        if self.completions_of(id) > 0 {
            others = others.with(Feature::UncompleteCall);
        }
        let room = line.is_in_service() && line.has_room();
        line.capabilities.features.intersection(if room { makes_calls.union(others) } else { others })
    }

    pub(crate) fn line_status(&self, id: LineId) -> Option<LineStatus> {
        let line = self.line(id)?;
        Some(LineStatus {
            state: line.state.clone(),
            open: line.open.is_some() && !self.closing.contains(&id),
            calls: self.counts(id, None),
            completions: self.completions_of(id),
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

const fn slot(counts: &mut CallCounts, counted: Counted) -> &mut u32 {
    match counted {
        Counted::Active => &mut counts.active,
        Counted::Held => &mut counts.held,
        Counted::Pending => &mut counts.pending,
    }
}

impl Call {
    /// As what it counts: only while it exists for applications.
    fn counts_as(&self) -> Option<Counted> {
        if self.taken != Taken::Yes || self.embryo {
            return None;
        }
        match self.state.kind() {
            StateKind::OnHold => Some(Counted::Held),
            StateKind::OnHoldPendingTransfer | StateKind::OnHoldPendingConference => Some(Counted::Pending),
            StateKind::Idle | StateKind::Disconnected => None,
            StateKind::Offering
            | StateKind::Accepted
            | StateKind::Dialtone
            | StateKind::Dialing
            | StateKind::Proceeding
            | StateKind::Ringback
            | StateKind::Busy
            | StateKind::Connected
            | StateKind::Conferenced
            | StateKind::Unknown => Some(Counted::Active),
        }
    }
}
