//! A call: what the provider keeps of it from its first event to its close.

use crate::arranged::{Fetch, Parking};
use crate::controls::Controls;
use crate::ears::Ears;
use crate::info_digits::Dictation;
use crate::referral::Referral;
use crate::role::Role;
use crate::terms::OwnTerms;
use hookswitch_machine::Time;
use hookswitch_machine::TimerKey;
use hookswitch_media::control::{Port, Source, Statistics, StreamId};
use hookswitch_media::negotiate::MediaSession;
use hookswitch_sip::headers::ExtraHeaders;
use hookswitch_sip::refer::Subscriber;
use hookswitch_sip::transaction::ClientId;
use hookswitch_sip::ua::LegId;
use hookswitch_spi::{
    AddressId, AudioSource, CallId, CallState, CallTreatment, Completion, CompletionId, Disconnect,
    DisconnectMode, LineId, MediaTypes, Origin, Party, PhysicalCallId, Reason, UserInfo,
};
use std::collections::VecDeque;
use std::time::Duration;

/// What a call is for the provider.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) line: LineId,
    pub(crate) address: AddressId,
    pub(crate) origin: Origin,
    pub(crate) state: CallState,
    /// When it entered that state.
    pub(crate) since: Time,
    /// The application side has taken it; before that nothing is told of it.
    pub(crate) taken: Taken,
    pub(crate) media_types: MediaTypes,
    /// The INVITE session, while there is one.
    pub(crate) leg: Option<LegId>,
    /// The session the call had, so that its last messages still find the timeline.
    pub(crate) last_leg: Option<LegId>,
    pub(crate) media: MediaSession,
    /// Ours from the first offer or answer until the stream stops.
    pub(crate) port: Option<Port>,
    pub(crate) stream: Stream,
    /// What the other party hears once the stream starts.
    pub(crate) source: AudioSource,
    pub(crate) waiting: Vec<Waiting>,
    /// When the caller is told again that the call alerts.
    pub(crate) alerting: Option<TimerKey>,
    /// For how many minutes it has been offered.
    pub(crate) minutes: u8,
    /// How it rings (Alert-Info), from 1.
    pub(crate) ring_mode: u8,
    /// Audio of the other side has arrived.
    pub(crate) heard: bool,
    /// No-answer timers and transfer deadlines.
    pub(crate) timer: Option<TimerKey>,
    pub(crate) transfer: Option<Box<Subscriber>>,
    /// The other side transfers us.
    pub(crate) referral: Option<Box<Referral>>,
    /// Followed redirections.
    pub(crate) redirections: u8,
    /// Why we are ending it, if not by an application's wish.
    pub(crate) ending: Option<DisconnectMode>,
    /// The request that creates it is not complete yet: it does not exist for applications.
    pub(crate) embryo: bool,
    /// As what the line counts it.
    pub(crate) counted: Counts,
    /// Alerted the other side, or was alerted by it.
    pub(crate) alerted: bool,
    pub(crate) facts: Box<Facts>,
    /// What few calls have.
    pub(crate) extra: Option<Box<Extra>>,
    pub(crate) statistics: Statistics,
}

/// Whether the application side has a place for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It was announced so many times, without success so far.
    NotYet(u8),
    /// It has.
    Yes,
}

/// What few calls have: what applications keep with them, and what came along.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    /// The physical call that this one came out of.
    pub(crate) related: Option<PhysicalCallId>,
    pub(crate) completion: Option<CompletionId>,
    pub(crate) call_data: Box<[u8]>,
    pub(crate) app_specific: u32,
    pub(crate) treatment: Option<CallTreatment>,
    /// What it hears of that at the moment, instead of its own source.
    pub(crate) heard: Option<CallTreatment>,
    /// The answer that went out before the call was answered (183), to be repeated then.
    pub(crate) early: Option<Box<[u8]>>,
    pub(crate) ears: Ears,
    /// What its audio does by itself.
    pub(crate) controls: Option<Box<Controls>>,
    /// How its audio is sent, if not as its line says.
    pub(crate) terms: Option<Box<OwnTerms>>,
    /// Digits on their way by INFO.
    pub(crate) dictation: Option<Box<Dictation>>,
    /// Its part in a conference.
    pub(crate) role: Option<Role>,
    /// What the other side told, the oldest first; only that is shown.
    pub(crate) user_info: VecDeque<UserInfo>,
    /// What a response told last: the same comes with the next one.
    pub(crate) told: Box<[u8]>,
    /// What we will tell once the call is answered, the oldest first.
    pub(crate) unsent: VecDeque<(UserInfo, TimerKey)>,
    /// Header fields that an application adds to what we send.
    pub(crate) headers: Option<Box<ExtraHeaders>>,
    /// The header fields of the INVITE received, or of the last response to ours, as lines; kept for the extension.
    pub(crate) opening: Box<str>,
    /// It is to be parked.
    pub(crate) parking: Option<Box<Parking>>,
    /// It is fetched from an orbit, or from where it alerts.
    pub(crate) fetch: Option<Box<Fetch>>,
    /// How it ends when the busy tone is over.
    pub(crate) busy: Option<Box<Disconnect>>,
    /// Who is called when it is answered: it is offered because that party is free now.
    pub(crate) calls_back: Option<Box<str>>,
    pub(crate) secure: bool,
    pub(crate) display: Box<str>,
    /// The other call of a transfer that is being prepared: of the held call the consultation call, and the other way round.
    pub(crate) partner: Option<CallId>,
    /// The call that goes with this one when its transfer succeeds: the consultation call.
    pub(crate) follower: Option<CallId>,
    /// What a call that is dialled step by step will be sent with, and what one that may have to wait for its party was sent with.
    pub(crate) placing: Placing,
    /// What was dialled so far.
    pub(crate) dialled: String,
    /// The next ring cycle.
    pub(crate) ring: Option<Ring>,
    /// Its audio is joined with that of another call, by ourselves.
    pub(crate) bridge: Option<Bridge>,
}

/// What an INVITE takes from the options of its call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Placing {
    pub(crate) no_answer_after: Option<Duration>,
    pub(crate) display_name: Option<String>,
    /// Further complete header field lines.
    pub(crate) fields: String,
}

/// The ringing of an offered call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ring {
    /// When the next cycle begins.
    pub(crate) timer: TimerKey,
    /// The number of the next cycle.
    pub(crate) count: u32,
}

/// Two calls that we pass the audio of, one to the other. For applications both are idle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bridge {
    pub(crate) other: CallId,
    /// The application side has closed this one.
    pub(crate) closed: bool,
}

/// Whether audio runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Not yet.
    Unstarted,
    /// It does.
    Running,
    /// It was told to stop; its last figures are still to come.
    Stopping,
    /// Not any more.
    Stopped,
}

/// Who takes part, and why.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) physical: u64,
    pub(crate) reason: Reason,
    pub(crate) caller: Party,
    pub(crate) called: Party,
    pub(crate) connected: Party,
    pub(crate) redirecting: Party,
    pub(crate) redirection: Party,
    pub(crate) call_id: Box<str>,
    /// A Request-URI to be resolved or sent to.
    pub(crate) target: Box<str>,
    /// Its Session-ID, if there is one (RFC 7989).
    pub(crate) session: Option<Box<Halves>>,
}

/// Both halves of a Session-ID.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Halves {
    pub(crate) own: u128,
    /// The other side's; 0 while it is not known.
    pub(crate) theirs: u128,
}

/// An accepted request that is not completed yet.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// `None`: no request asked for it, it is a part of something else.
    pub(crate) completion: Option<Completion>,
    pub(crate) what: Wait,
}

/// A request on its way from being checked to being accepted: whoever keeps or completes it takes it out.
#[derive(Debug)]
pub(crate) struct Ask(pub(crate) Option<Completion>);

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// The first response to our INVITE.
    Proceeding,
    /// The ACK of our 200.
    Acknowledgement,
    /// The end of the session.
    End,
    /// A free moment to make the offer that is to bring this about.
    Turn(Aim),
    /// The answer to the offer that is to bring this about.
    OfferAnswer(Aim),
    /// The answer of a consultation call, to be bridged with this held call then.
    BridgeTurn(CallId),
    /// The ACK of our 200, before which the other side may not know the session that REFER is to be sent in; then a transfer
    /// with this deadline.
    TransferTurn(std::time::Duration),
    /// The outcome of a transfer.
    Transfer,
    /// The last digit, or the end of the tone, of the command with this tag.
    Sending(u64),
    /// Figures of the media threads.
    Figures,
    /// The answer to an INVITE that fetches a call.
    Fetching,
    /// Who says which orbit is free.
    Finding,
    /// The answer of the called party, to be told the oldest of what is unsent then.
    UserInfoTurn,
    /// The response to a request that carries user information.
    UserInfo(ClientId),
    /// The response to a request that an application sends by the extension.
    Errand(ClientId),
    /// The first news of the called party of a call completion.
    Completing(CompletionId),
}

impl Wait {
    /// Whether it may come about although the call has ended.
    pub(crate) const fn outlives(self) -> bool {
        matches!(self, Self::Transfer | Self::Completing(_))
    }
}

/// What an offer of ours within a session is to bring about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    /// The call is held.
    Hold,
    /// It is held, and this consultation call begins.
    Consult(CallId),
    /// It is held, and this other call is retrieved in its stead.
    SwapOut(CallId),
    /// It is retrieved, which completes its exchange with this other call.
    SwapIn(CallId),
    /// It is retrieved, and its consultation call ends.
    Retrieve,
    /// It is retrieved because nothing is left that it was held for.
    Return,
    /// It hears us again, to be bridged with this consultation call.
    Bridge(CallId),
    /// It is retrieved, and becomes a member of a conference.
    Join,
    /// Its audio is sent otherwise; who holds whom stays as it is.
    Change,
}

impl Aim {
    /// Whether the other side is to be held.
    pub(crate) const fn holds(self) -> bool {
        match self {
            Self::Hold | Self::Consult(_) | Self::SwapOut(_) => true,
            Self::SwapIn(_) | Self::Retrieve | Self::Return | Self::Bridge(_) | Self::Join | Self::Change => {
                false
            }
        }
    }
}

/// As what a line counts a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    /// Among the calls that applications are told the number of.
    pub(crate) among: Option<Counted>,
    /// As one that takes room.
    pub(crate) in_progress: bool,
    /// As one that no other may interrupt.
    pub(crate) secure: bool,
}

/// Among which calls of its address a call counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    Active,
    Held,
    Pending,
}

impl Call {
    /// A call that nothing has happened to yet.
    pub(crate) fn new(
        (line, address): (LineId, AddressId),
        origin: Origin,
        now: Time,
        media: MediaSession,
        facts: Facts,
    ) -> Self {
        Self {
            line,
            address,
            origin,
            state: CallState::Unknown,
            since: now,
            taken: Taken::Yes,
            media_types: MediaTypes::VOICE,
            leg: None,
            last_leg: None,
            media,
            port: None,
            stream: Stream::Unstarted,
            source: AudioSource::Silence,
            waiting: Vec::new(),
            alerting: None,
            minutes: 0,
            ring_mode: 1,
            heard: false,
            timer: None,
            transfer: None,
            referral: None,
            redirections: 0,
            ending: None,
            embryo: false,
            counted: Counts::default(),
            alerted: false,
            facts: Box::new(facts),
            extra: None,
            statistics: Statistics::default(),
        }
    }

    /// Whether a change of who holds whom is on its way.
    pub(crate) fn is_changing(&self) -> bool {
        self.waiting.iter().any(|waiting| matches!(waiting.what, Wait::Turn(_) | Wait::OfferAnswer(_)))
    }

    /// Whether a transfer of it is on its way.
    pub(crate) fn is_leaving(&self) -> bool {
        let asked = self.waiting.iter().any(|waiting| matches!(waiting.what, Wait::TransferTurn(_)));
        asked || self.transfer.as_ref().is_some_and(|transfer| !transfer.is_finished())
    }

    /// The other call of a transfer that is being prepared.
    pub(crate) fn partner(&self) -> Option<CallId> {
        self.extra.as_ref().and_then(|extra| extra.partner)
    }

    /// The bridge that it is part of.
    pub(crate) fn bridge(&self) -> Option<Bridge> {
        self.extra.as_ref().and_then(|extra| extra.bridge)
    }

    /// Whether it was made to be offered because its party is free now, and nobody is called yet.
    pub(crate) fn is_call_back(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| extra.calls_back.is_some())
    }

    /// What few calls have; made if it has none yet.
    pub(crate) fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    /// Its own terms; made if it has none yet.
    pub(crate) fn own_terms(&mut self) -> &mut OwnTerms {
        self.extra().terms.get_or_insert_default()
    }

    /// The number of the call's audio stream: that of the call.
    pub(crate) const fn stream_id(id: CallId) -> StreamId {
        StreamId(id.0)
    }

    /// The first request that waits for what `wanted` says, taken out.
    pub(crate) fn take_waiting(&mut self, wanted: impl Fn(Wait) -> bool) -> Option<Waiting> {
        let at = self.waiting.iter().position(|waiting| wanted(waiting.what))?;
        let found = self.waiting.remove(at);
        if self.waiting.is_empty() {
            // Calls are held for long, and wait for something for a moment only: no room is kept.
            self.waiting = Vec::new();
        }
        Some(found)
    }
}

/// The source that a media thread is to send.
pub(crate) fn source(audio: &AudioSource) -> Source {
    match audio {
        AudioSource::Silence => Source::Silence,
        AudioSource::Echo => Source::Echo,
        AudioSource::Tone { frequencies, level } => Source::Tone { frequencies: *frequencies, level: *level },
        AudioSource::File { path, repeat } => Source::File { path: path.clone(), repeat: *repeat },
        AudioSource::Music => Source::Music,
        AudioSource::Live(id) => Source::Live(hookswitch_media::control::LiveId(*id)),
    }
}

/// The calls of one shard: a place is used again, an id is not for 16 million turns.
#[derive(Debug)]
pub(crate) struct Calls {
    shard: u16,
    places: Vec<(u32, Option<Box<Call>>)>,
    free: Vec<u32>,
    live: usize,
    /// Of the next place that is made: beyond those of all places that were given back. 0 is left out, so that no call is
    /// number 0.
    generation: u32,
}

/// An empty table keeps room for so many calls.
const KEPT: usize = 1_024;

const INDEX_BITS: u32 = 24;
const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;

impl Calls {
    /// An empty table. Ids begin at a generation by `chance`, so that one kept from an earlier session of the same process finds
    /// no call of this one.
    pub(crate) const fn new(shard: u16, chance: u64) -> Self {
        let generation = 1 + (chance & (INDEX_MASK >> 4)) as u32;
        Self { shard, places: Vec::new(), free: Vec::new(), live: 0, generation }
    }

    pub(crate) const fn len(&self) -> usize {
        self.live
    }

    pub(crate) fn insert(&mut self, call: Call) -> CallId {
        self.live += 1;
        let call = Some(Box::new(call));
        let (index, generation) = match self.free.pop() {
            Some(index) => match self.places.get_mut(index as usize) {
                Some(place) => {
                    place.1 = call;
                    (index, place.0)
                }
                None => (index, self.generation),
            },
            None => {
                self.places.push((self.generation, call));
                (self.places.len() as u32 - 1, self.generation)
            }
        };
        CallId::minted(self.shard, u64::from(generation) << INDEX_BITS | u64::from(index))
    }

    fn place(&self, id: CallId) -> Option<usize> {
        let generation = (id.0 & 0xffff_ffff_ffff) >> INDEX_BITS;
        let index = (id.0 & INDEX_MASK) as usize;
        let place = self.places.get(index)?;
        (id.shard() == self.shard && u64::from(place.0) == generation).then_some(index)
    }

    pub(crate) fn get(&self, id: CallId) -> Option<&Call> {
        self.places.get(self.place(id)?)?.1.as_deref()
    }

    pub(crate) fn get_mut(&mut self, id: CallId) -> Option<&mut Call> {
        let place = self.place(id)?;
        self.places.get_mut(place)?.1.as_deref_mut()
    }

    pub(crate) fn remove(&mut self, id: CallId) -> Option<Box<Call>> {
        let index = self.place(id)?;
        let place = self.places.get_mut(index)?;
        let call = place.1.take()?;
        place.0 = after(place.0);
        self.free.push(index as u32);
        self.live -= 1;
        if self.live == 0 && self.places.len() > KEPT {
            // A peak is over: its memory is given back.
            let last = self.places.iter().map(|place| place.0).max().unwrap_or_default();
            (self.places, self.free, self.generation) = (Vec::new(), Vec::new(), after(last));
        }
        Some(call)
    }

    /// The ids of all calls on a line, in the order of their places.
    pub(crate) fn on_line(&self, line: LineId) -> Vec<CallId> {
        self.places
            .iter()
            .enumerate()
            .filter(|(_, (_, call))| call.as_ref().is_some_and(|call| call.line == line))
            .map(|(index, (generation, _))| {
                CallId::minted(self.shard, u64::from(*generation) << INDEX_BITS | index as u64)
            })
            .collect()
    }
}

/// The generation behind this one: 24 bits, never 0.
fn after(generation: u32) -> u32 {
    ((generation + 1) & INDEX_MASK as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_small() {
        let (call, facts, extra) = (size_of::<Call>(), size_of::<Facts>(), size_of::<Extra>());
        // What few calls have belongs in Extra, which costs those that have none of it nothing.
        assert!(call <= 544 && facts <= 256, "call {call}, facts {facts}, extra {extra}");
    }

    #[test]
    fn nothing_is_kept_for_requests_once_none_waits() {
        let media = MediaSession::new(1);
        let facts = Facts {
            physical: 0,
            reason: Reason::Direct,
            caller: Party::default(),
            called: Party::default(),
            connected: Party::default(),
            redirecting: Party::default(),
            redirection: Party::default(),
            call_id: Box::default(),
            target: Box::default(),
            session: None,
        };
        let mut call = Call::new((LineId(0), AddressId(0)), Origin::Inbound, Time::ZERO, media, facts);
        for what in [Wait::End, Wait::Acknowledgement] {
            call.waiting.push(Waiting { completion: None, what });
        }
        assert!(call.take_waiting(|wait| wait == Wait::End).is_some());
        assert!(call.take_waiting(|wait| wait == Wait::End).is_none());
        assert_eq!(call.waiting.len(), 1);
        assert!(call.take_waiting(|_| true).is_some());
        assert_eq!(call.waiting.capacity(), 0);
    }
}
