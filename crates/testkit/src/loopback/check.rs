//! What is wrong with a request, before anything is done for it and again when it is carried out; and what is possible now.

use super::exchange::Loopback;
use super::faults::Fault;
use super::leg::Leg;
use hookswitch_spi::{
    AddressId, CallId, CallState, CompletionId, CompletionMode, Feature, Features, ForwardTarget, LineId,
    LineState, Operation, OperationError, ParkAt, SIP_EXTENSION, StateKind,
};

/// So many requests may be outstanding.
const OUTSTANDING_MOST: usize = 10_000;

impl Loopback {
    /// What is wrong with a request, before anything is done for it.
    pub(crate) fn check(&self, operation: &Operation) -> Result<LineId, OperationError> {
        let (line, state) = match operation.call() {
            Some(call) => {
                let leg = self.known(call).ok_or(OperationError::NoSuchCall(call))?;
                if operation.line().is_some_and(|line| line != leg.line) {
                    return Err(OperationError::NoSuchCall(call));
                }
                (leg.line, Some(leg.state.kind()))
            }
            None => match operation.line() {
                Some(line) => (line, None),
                None => return Err(OperationError::InvalidParameter("no call and no line".into())),
            },
        };
        let entry = self.lines.get(&line).filter(|entry| entry.open.is_some());
        let entry = entry.ok_or(OperationError::NoSuchLine(line))?;
        if self.broken(Fault::AdvertisesWhatItCannot) && Feature::of(operation) == Feature::Hold {
            return Err(OperationError::Unavailable(operation.name()));
        }
        entry.capabilities.check(operation, state)?;
        entry.capabilities.check_arguments(operation)?;
        if let Some(other) = operation.other_call() {
            let known = self.known(other).filter(|leg| leg.line == line);
            let known = known.ok_or(OperationError::NoSuchCall(other))?;
            entry.capabilities.check_other(operation, known.state.kind())?;
        }
        self.check_line(line, operation)?;
        self.check_part(operation)?;
        if self.asked.len() >= OUTSTANDING_MOST {
            return Err(OperationError::ResourceUnavailable("room for requests"));
        }
        Ok(line)
    }

    /// What has become wrong with a request until it is carried out.
    pub(crate) fn check_states(&self, line: LineId, operation: &Operation) -> Result<(), OperationError> {
        let Some(entry) = self.lines.get(&line) else { return Err(OperationError::Closed) };
        if let Some(call) = operation.call() {
            let state = self.state_of(call).ok_or(OperationError::CallEnded)?;
            entry.capabilities.check(operation, Some(state))?;
        }
        if let Some(other) = operation.other_call() {
            let state = self.state_of(other).ok_or(OperationError::CallEnded)?;
            entry.capabilities.check_other(operation, state)?;
        }
        self.check_part(operation)
    }

    /// What is wrong with its line, addresses and destinations.
    fn check_line(&self, line: LineId, operation: &Operation) -> Result<(), OperationError> {
        use Operation as O;
        match operation {
            O::MakeCall { address, destination, options, .. } => {
                self.check_address(line, *address)?;
                self.check_headers(line, options)?;
                self.check_room(line, 1)?;
                self.dialable(destination)?;
                self.check_partial(line, destination)
            }
            O::Unpark { address, orbit, .. } => {
                self.check_address(line, *address)?;
                self.check_room(line, 1)?;
                self.address(orbit)
            }
            O::Pickup { address, .. } => {
                self.check_address(line, *address)?;
                self.check_room(line, 1)
            }
            O::SetupTransfer { consult, .. } | O::PrepareAddToConference { consult, .. } => {
                self.check_headers(line, &consult.call)?;
                self.check_room(line, 1)?;
                self.dialable(&consult.destination)?;
                self.check_partial(line, &consult.destination)
            }
            O::SetupConference { address, consult, .. } => {
                self.check_address(line, *address)?;
                self.check_headers(line, &consult.call)?;
                self.check_room(line, 2)?;
                self.dialable(&consult.destination)?;
                self.check_partial(line, &consult.destination)
            }
            O::CompleteTransfer { mode: hookswitch_spi::TransferMode::Conference, .. } => {
                self.check_room(line, 1)
            }
            O::Dial { call, digits } => {
                let whole = self.dialled_with(*call, digits);
                self.check_partial(line, digits)?;
                if whole.is_empty() { self.address(&whole) } else { self.dialable(&whole) }
            }
            O::Redirect { destination, .. } | O::BlindTransfer { destination, .. } => {
                self.address(destination)
            }
            O::Park { at: ParkAt::Orbit(orbit), .. } => self.address(orbit),
            O::Forward { address, rules, .. } => {
                self.check_address(line, *address)?;
                rules.rules.iter().try_for_each(|rule| self.check_rule(line, rule))
            }
            O::UncompleteCall { completion, .. } => self.check_completion(line, *completion),
            O::CompleteCall { call, mode } => {
                if *mode == CompletionMode::CampOn {
                    self.can_camp(*call)?;
                }
                let most = self.lines.get(&line).map_or(0, |entry| entry.capabilities.max_completions);
                if self.completions_of(line) >= usize::from(most) {
                    return Err(OperationError::TooManyCompletions(most));
                }
                Ok(())
            }
            O::SendTone { tone, .. } => super::digits::check_tone(tone),
            O::Extension { call, command, .. } => self.check_extension(line, *call, command),
            _ => Ok(()),
        }
    }

    fn check_rule(&self, line: LineId, rule: &hookswitch_spi::ForwardRule) -> Result<(), OperationError> {
        let conditions = self.lines.get(&line).map(|entry| entry.capabilities.forward_conditions);
        if !conditions.is_some_and(|conditions| conditions.contains(rule.when)) {
            let what = format!("the line cannot forward calls when {:?}", rule.when);
            return Err(OperationError::InvalidParameter(what));
        }
        match &rule.to {
            ForwardTarget::Address(to) => self.address(to),
            ForwardTarget::DoNotDisturb => Ok(()),
        }
    }

    fn check_completion(&self, line: LineId, completion: CompletionId) -> Result<(), OperationError> {
        let known = self.waiting.get(&completion).is_some_and(|waiting| waiting.line == line);
        if known { Ok(()) } else { Err(OperationError::NoSuchCompletion(completion)) }
    }

    fn check_address(&self, line: LineId, address: AddressId) -> Result<(), OperationError> {
        if self.lines.get(&line).is_some_and(|entry| entry.uri(address).is_some()) {
            return Ok(());
        }
        Err(OperationError::InvalidParameter(format!("the line has no {address}")))
    }

    fn check_headers(
        &self,
        line: LineId,
        options: &hookswitch_spi::CallOptions,
    ) -> Result<(), OperationError> {
        if options.headers.is_empty() || self.has_extension(line, hookswitch_spi::ExtensionVersion(1)) {
            return Ok(());
        }
        Err(OperationError::ExtensionNotSelected(SIP_EXTENSION.name))
    }

    fn check_room(&self, line: LineId, more: usize) -> Result<(), OperationError> {
        let Some(entry) = self.lines.get(&line) else { return Err(OperationError::NoSuchLine(line)) };
        if let LineState::OutOfService(why) = &entry.state {
            return Err(OperationError::OutOfService(why.reason.clone()));
        }
        if !self.has_room(line, more) {
            return Err(OperationError::TooManyCalls(entry.capabilities.max_calls));
        }
        Ok(())
    }

    fn check_partial(&self, line: LineId, destination: &str) -> Result<(), OperationError> {
        let partial = self.lines.get(&line).is_some_and(|entry| entry.capabilities.flags.partial_dialing);
        if destination.ends_with(';') && !partial {
            return Err(OperationError::UnsupportedDialCharacter(';'));
        }
        Ok(())
    }

    /// Whether the parts that its calls have in something fit together.
    fn check_part(&self, operation: &Operation) -> Result<(), OperationError> {
        use Operation as O;
        match operation {
            O::PrepareAddToConference { conference, .. } | O::AddToConference { conference, .. } => {
                let leg = self.legs.get(conference);
                let members = leg.and_then(Leg::members).ok_or(OperationError::NoConference(*conference))?;
                let most = leg
                    .and_then(|leg| self.lines.get(&leg.line))
                    .map_or(0, |line| line.capabilities.max_conference);
                if members.len() >= usize::from(most) {
                    return Err(OperationError::ConferenceFull(most));
                }
            }
            O::CompleteTransfer { call, consult, .. } if !self.are_paired(*call, *consult) => {
                return Err(OperationError::NotConsultation(*consult));
            }
            O::SwapHold { active, held } if active == held => {
                return Err(OperationError::InvalidParameter("expected two different calls".into()));
            }
            _ => {}
        }
        if let O::AddToConference { member, .. } = operation
            && self.legs.get(member).is_some_and(|leg| leg.members().is_some())
        {
            return Err(OperationError::NotConsultation(*member));
        }
        let feature = Feature::of(operation);
        for call in [operation.call(), operation.other_call()].into_iter().flatten() {
            self.fits_queue(call, feature)?;
        }
        let Some(leg) = operation.call().and_then(|call| self.legs.get(&call)) else { return Ok(()) };
        if self.suits(feature, leg) {
            return Ok(());
        }
        Err(OperationError::InvalidCallState { operation: feature.name(), state: leg.state.kind() })
    }

    /// Whether a feature suits the part that a call has in a conference.
    fn suits(&self, feature: Feature, leg: &Leg) -> bool {
        use Feature as F;
        match feature {
            F::PrepareAddToConference | F::AddToConference => leg.members().is_some(),
            F::BlindTransfer
            | F::SetupTransfer
            | F::SetupConference
            | F::Park
            | F::SendUserInfo
            | F::SetCallParameters
            | F::CompleteTransfer => leg.members().is_none(),
            // Digits of members are those of their conference.
            F::GatherDigits | F::StopGathering | F::MonitorDigits | F::MonitorTones => {
                leg.state.kind() != StateKind::Conferenced
            }
            _ => true,
        }
    }

    /// What can be asked of a call now.
    pub(crate) fn possible_for(&self, call: CallId) -> Features {
        use Feature as F;
        let Some(leg) = self.known(call) else { return Features::NONE };
        let Some(entry) = self.lines.get(&leg.line).filter(|entry| entry.open.is_some()) else {
            return Features::NONE;
        };
        let caps = &entry.capabilities;
        let room = |more| entry.state == LineState::InService && self.has_room(leg.line, more);
        let others = |states: &[StateKind]| {
            self.legs.iter().any(|(id, other)| {
                *id != call
                    && other.line == leg.line
                    && other.is_known()
                    && states.contains(&other.state.kind())
            })
        };
        let paired = || {
            self.legs.iter().any(|(id, other)| {
                self.are_paired(call, *id) && F::CompleteTransfer.other_states().contains(&other.state.kind())
            })
        };
        let now = |feature: &Feature| match feature {
            F::SetupTransfer => room(1),
            F::PrepareAddToConference => {
                room(1) && leg.members().is_some_and(|m| m.len() < usize::from(caps.max_conference))
            }
            F::SetupConference => room(2),
            F::AddToConference => {
                others(F::AddToConference.other_states())
                    && leg.members().is_some_and(|m| m.len() < usize::from(caps.max_conference))
            }
            F::SwapHold => others(F::SwapHold.other_states()),
            F::CompleteTransfer => paired(),
            F::CompleteCall => self.completions_of(leg.line) < usize::from(caps.max_completions),
            F::Extension => self.has_extension(leg.line, hookswitch_spi::ExtensionVersion(1)),
            F::Dial => matches!(leg.state, CallState::Dialtone | CallState::Dialing),
            _ => true,
        };
        let possible = caps.possible(leg.state.kind());
        let suits = |feature: &Feature| self.suits(*feature, leg) && self.fits_queue(call, *feature).is_ok();
        possible.iter().filter(suits).filter(now).collect()
    }

    /// What can be asked of a line now that needs no call.
    pub(crate) fn possible_at(&self, line: LineId) -> Features {
        use Feature as F;
        let Some(entry) = self.lines.get(&line).filter(|entry| entry.open.is_some()) else {
            return Features::NONE;
        };
        let room = |more| entry.state == LineState::InService && self.has_room(line, more);
        let now = |feature: &Feature| match feature {
            F::MakeCall | F::Unpark | F::Pickup => room(1),
            F::SetupConference => room(2) && entry.capabilities.flags.conference_from_nothing,
            F::UncompleteCall => self.completions_of(line) > 0,
            feature => feature.states().is_empty(),
        };
        entry.capabilities.features.iter().filter(now).collect()
    }

    /// The calls that a request will create, of which nobody has heard yet.
    pub(crate) fn conceive_for(&mut self, line: LineId, operation: &Operation) -> Vec<CallId> {
        use Operation as O;
        match operation {
            O::MakeCall { address, destination, options, .. } => {
                vec![self.conceive(line, *address, destination, options.clone())]
            }
            O::Unpark { address, orbit, .. } => {
                vec![self.conceive(line, *address, orbit, Default::default())]
            }
            O::Pickup { address, .. } => vec![self.conceive(line, *address, "", Default::default())],
            O::SetupTransfer { call: held, consult }
            | O::PrepareAddToConference { conference: held, consult } => {
                self.conceive_consult(*held, consult).into_iter().collect()
            }
            O::SetupConference { address, consult, .. } => {
                let conference = self.conceive_conference(line, *address);
                let consult = self.conceive_consult(conference, consult);
                std::iter::once(conference).chain(consult).collect()
            }
            O::CompleteTransfer { call, mode: hookswitch_spi::TransferMode::Conference, .. } => {
                let address = self.legs.get(call).map_or(AddressId(0), |leg| leg.address);
                vec![self.conceive_conference(line, address)]
            }
            _ => Vec::new(),
        }
    }
}
