//! The offer/answer machine of one dialog.

use super::capabilities::{Capabilities, Preference};
use super::error::{NegotiateError, Refusal};
use super::payload_types::{Payload, PayloadTypes};
use super::remote::{Profile, RemoteAudio, choose, rejections};
use crate::codec::Codec;
use crate::control::{Direction, StreamParameters};
use crate::sdp::{MediaKind, MediaKinds, Session, Writer};
use hookswitch_machine::HashKeys;
use std::hash::{BuildHasher, Hasher};
use std::net::SocketAddr;
use std::time::Duration;

/// Where the exchange of descriptions stands (RFC 3264, RFC 6337 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OfferAnswer {
    /// Nothing was exchanged yet.
    NoneYet,
    /// We offered and wait for their answer.
    LocalOffer,
    /// They offered and wait for our answer.
    RemoteOffer,
    /// Every offer has its answer.
    Stable,
}

/// What an offer of the other side wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offered {
    /// The kinds of media that are wanted, whether spoken here or not.
    pub media: MediaKinds,
    /// Why [`MediaSession::answer`] would refuse it; `None` if an answer is possible.
    pub refusal: Option<Refusal>,
    /// Which way they want audio to flow, seen from them; an old hold by `c=0.0.0.0` is already in it.
    pub direction: Direction,
    /// They will not take what we send: the call is held by them.
    pub held: bool,
}

/// Our offer, until it is answered.
#[derive(Clone, Copy, Debug)]
struct LocalOffer {
    wanted: Direction,
    /// One bit for each [`Payload::slot`] that it lists.
    listed: u8,
    rtcp_mux: bool,
}

impl LocalOffer {
    fn lists(&self, payload: Payload) -> bool {
        payload.slot().is_some_and(|slot| self.listed & (1 << slot) != 0)
    }
}

/// Their offer, until it is answered.
#[derive(Clone, Debug)]
struct RemoteOffer {
    audio: Result<RemoteAudio, Refusal>,
    others: OtherMedia,
}

/// The m-lines around our audio, as we write them: rejected.
#[derive(Clone, Debug, Default)]
struct OtherMedia {
    /// Our place among the m-lines.
    place: usize,
    before: Box<[u8]>,
    after: Box<[u8]>,
}

/// Where the exchange stands, with what that place needs. `first`: nothing was settled before this offer.
#[derive(Clone, Debug)]
enum Exchange {
    NoneYet,
    Stable,
    LocalOffer { offer: LocalOffer, first: bool },
    RemoteOffer { offer: Box<RemoteOffer>, first: bool },
}

/// The offer/answer machine of one dialog, or of one early dialog of a forked INVITE (clone it before the first answer).
///
/// An error leaves the machine as it was, unless the method says otherwise.
#[derive(Clone, Debug)]
pub struct MediaSession {
    id: u64,
    /// Of the last description that we sent; 0 before the first.
    version: u64,
    /// What stands for the content of that description.
    content: u64,
    numbers: PayloadTypes,
    others: OtherMedia,
    profile: Profile,
    /// The direction that we asked for last, whatever they made of it.
    wanted: Direction,
    held: bool,
    parameters: Option<StreamParameters>,
    exchange: Exchange,
}

impl MediaSession {
    /// A dialog without descriptions. `id` is the session number of our o-lines (RFC 8866 5.2): unique for this host, random
    /// or counted; its two highest bits are dropped, since some read it as a signed number.
    pub fn new(id: u64) -> Self {
        Self {
            id: id & (u64::MAX >> 2),
            version: 0,
            content: 0,
            numbers: PayloadTypes::new(),
            others: OtherMedia::default(),
            profile: Profile::Avp,
            wanted: Direction::SendRecv,
            held: false,
            parameters: None,
            exchange: Exchange::NoneYet,
        }
    }

    /// Where the exchange stands.
    pub const fn state(&self) -> OfferAnswer {
        match self.exchange {
            Exchange::NoneYet => OfferAnswer::NoneYet,
            Exchange::Stable => OfferAnswer::Stable,
            Exchange::LocalOffer { .. } => OfferAnswer::LocalOffer,
            Exchange::RemoteOffer { .. } => OfferAnswer::RemoteOffer,
        }
    }

    /// What the last complete exchange settled; `None` before the first, or if it left no audio.
    pub const fn parameters(&self) -> Option<&StreamParameters> {
        self.parameters.as_ref()
    }

    /// Whether they hold us: they said last that they take nothing. Independent of whether we hold them.
    pub const fn held_by_them(&self) -> bool {
        self.held
    }

    /// Whether we hold them: we said last that we take nothing.
    pub const fn held_by_us(&self) -> bool {
        !self.wanted.receives()
    }

    /// The direction that we asked for last, to be asked for again where nothing is to change.
    pub const fn wanted(&self) -> Direction {
        self.wanted
    }

    /// Makes an offer: the first, or a new one to hold ([`Direction::SendOnly`]), retrieve ([`Direction::SendRecv`]), move to
    /// another port, or refresh. `rtp` is where we want their RTP; RTCP is expected on the next port, or the same where both
    /// sides multiplex.
    ///
    /// The codec in use stays first, and all numbers keep their meaning. The direction is what *we* want, held or not
    /// (RFC 6337 5.3): their answer says what they want.
    ///
    /// # Errors
    /// [`NegotiateError::OfferPending`], or [`NegotiateError::NothingToOffer`].
    pub fn offer(
        &mut self,
        capabilities: &Capabilities,
        rtp: SocketAddr,
        wanted: Direction,
    ) -> Result<Vec<u8>, NegotiateError> {
        let in_use = self.parameters.as_ref().map(|parameters| parameters.codec);
        let first = in_use.filter(|codec| capabilities.codecs.contains(codec));
        self.describe(capabilities, rtp, wanted, first)
    }

    /// Makes an offer to change the codec: as [`MediaSession::offer`], but whatever is in use, the order is that of the capabilities.
    ///
    /// # Errors
    /// As there.
    pub fn offer_change(
        &mut self,
        capabilities: &Capabilities,
        rtp: SocketAddr,
        wanted: Direction,
    ) -> Result<Vec<u8>, NegotiateError> {
        self.describe(capabilities, rtp, wanted, None)
    }

    /// An offer of ours, with this codec first.
    fn describe(
        &mut self,
        capabilities: &Capabilities,
        rtp: SocketAddr,
        wanted: Direction,
        in_use: Option<Codec>,
    ) -> Result<Vec<u8>, NegotiateError> {
        self.expect_no_offer()?;
        let others = capabilities.codecs.iter().copied().filter(|codec| Some(*codec) != in_use);
        let mut list = Listing::default();
        for codec in in_use.into_iter().chain(others) {
            list.add(Payload::Codec(codec), self.numbers.number(Payload::Codec(codec)));
        }
        let Some((Payload::Codec(preferred), _)) = list.payloads.first().copied() else {
            return Err(NegotiateError::NothingToOffer);
        };
        for rate in [8_000, 16_000] {
            if capabilities.digits && list.has_rate(rate) {
                list.add(Payload::Digits(rate), self.numbers.number(Payload::Digits(rate)));
            }
        }
        let offer = LocalOffer { wanted, listed: list.slots, rtcp_mux: capabilities.rtcp_mux };
        let first = matches!(self.exchange, Exchange::NoneYet);
        let own = OwnMedia {
            rtp,
            list: &list,
            packet_time: capabilities.packet_time_for(preferred, None, None),
            rtcp_mux: capabilities.rtcp_mux,
            direction: wanted,
        };
        let sdp = self.write(&own);
        self.exchange = Exchange::LocalOffer { offer, first };
        Ok(sdp)
    }

    /// Takes their offer: in an INVITE, in the 200 to an INVITE without one, in a re-INVITE or an UPDATE.
    ///
    /// An offer that cannot be accepted is taken too, so that the call can be announced with the media it wants; its
    /// [`Offered::refusal`] says so, and [`MediaSession::answer`] will refuse it.
    ///
    /// # Errors
    /// [`NegotiateError::OfferPending`] (491 or 500), or [`NegotiateError::Sdp`] (400).
    pub fn receive_offer(
        &mut self,
        capabilities: &Capabilities,
        sdp: &[u8],
    ) -> Result<Offered, NegotiateError> {
        self.expect_no_offer()?;
        let session = Session::parse(sdp)?;
        let first = matches!(self.exchange, Exchange::NoneYet);
        let before = (!first).then_some(self.others.place);
        let chosen = choose(&session, before, |audio| {
            let common = audio.codecs.iter().any(|(codec, _)| capabilities.codecs.contains(codec));
            if common { Ok(()) } else { Err(Refusal::NoCommonCodec) }
        });
        let media = session.kinds();
        let (offered, offer) = match chosen {
            Ok((place, audio)) => {
                let offered =
                    Offered { media, refusal: None, direction: audio.direction, held: audio.holds_us() };
                (offered, RemoteOffer { audio: Ok(audio), others: OtherMedia::around(&session, place) })
            }
            Err(refusal) => {
                let offered =
                    Offered { media, refusal: Some(refusal), direction: Direction::Inactive, held: false };
                (offered, RemoteOffer { audio: Err(refusal), others: OtherMedia::default() })
            }
        };
        self.exchange = Exchange::RemoteOffer { offer: Box::new(offer), first };
        Ok(offered)
    }

    /// Answers their offer with one codec, and digits at its clock where both sides take them. `wanted` is what we would like
    /// ([`Direction::SendOnly`] while we hold); the answer's direction is what both want (RFC 3264 6.1).
    ///
    /// The codec in use is kept if it is still offered, so that holding changes none; else
    /// [`Capabilities::preference`] decides.
    ///
    /// # Errors
    /// [`NegotiateError::NoOffer`]; [`NegotiateError::Refused`], after which the offer is gone and everything is as before
    /// it: the request gets 488, and a call that was up goes on.
    pub fn answer(
        &mut self,
        capabilities: &Capabilities,
        rtp: SocketAddr,
        wanted: Direction,
    ) -> Result<(Vec<u8>, StreamParameters), NegotiateError> {
        let rest = self.rest();
        let offer = match std::mem::replace(&mut self.exchange, rest) {
            Exchange::RemoteOffer { offer, .. } => *offer,
            other @ (Exchange::NoneYet | Exchange::Stable | Exchange::LocalOffer { .. }) => {
                self.exchange = other;
                return Err(NegotiateError::NoOffer);
            }
        };
        let audio = offer.audio?;
        if !audio.rtp.ip().is_unspecified() && audio.rtp.is_ipv4() != rtp.is_ipv4() {
            return Err(Refusal::Address.into());
        }
        let (codec, theirs) = self.choose_codec(capabilities, &audio).ok_or(Refusal::NoCommonCodec)?;
        let own = self.numbers.adopt(Payload::Codec(codec), theirs).ok_or(Refusal::NoCommonCodec)?;
        let send_digits = audio.digits_at(codec.rate()).filter(|_| capabilities.digits);
        let receive_digits =
            send_digits.and_then(|theirs| self.numbers.adopt(Payload::Digits(codec.rate()), theirs));
        audio.payload_types.iter().for_each(|number| self.numbers.reserve(*number));

        let packet_time = capabilities.packet_time_for(codec, audio.packet_time, audio.max_packet_time);
        let rtcp_mux = audio.rtcp_mux && capabilities.rtcp_mux;
        let direction = wanted.and(audio.direction.reversed());
        self.others = offer.others;
        self.profile = audio.profile;
        let mut list = Listing::default();
        list.add(Payload::Codec(codec), Some(own));
        list.add(Payload::Digits(codec.rate()), receive_digits);
        let sdp = self.write(&OwnMedia { rtp, list: &list, packet_time, rtcp_mux, direction });

        let parameters = StreamParameters {
            remote_rtp: audio.rtp,
            remote_rtcp: if rtcp_mux { audio.rtp } else { audio.rtcp },
            rtcp_mux,
            codec,
            send_payload_type: theirs,
            receive_payload_type: own,
            send_digits,
            receive_digits,
            packet_time,
            direction,
        };
        self.wanted = wanted;
        self.held = audio.holds_us();
        self.parameters = Some(parameters.clone());
        self.exchange = Exchange::Stable;
        Ok((sdp, parameters))
    }

    /// Takes their answer: in a reliable response, in an ACK, or in an early dialog's provisional response (RFC 3261 13.2.1),
    /// after which the same answer in the 200 is not to be given again.
    ///
    /// # Errors
    /// [`NegotiateError::AudioRefused`] completes the exchange without audio. After any other error the offer still stands:
    /// wait for a better answer or [`MediaSession::abandon`] it.
    pub fn receive_answer(
        &mut self,
        capabilities: &Capabilities,
        sdp: &[u8],
    ) -> Result<StreamParameters, NegotiateError> {
        let offer = match &self.exchange {
            Exchange::LocalOffer { offer, .. } => *offer,
            Exchange::NoneYet | Exchange::Stable | Exchange::RemoteOffer { .. } => {
                return Err(NegotiateError::NoOffer);
            }
        };
        let session = Session::parse(sdp)?;
        let media = session.media.get(self.others.place).filter(|media| media.kind == MediaKind::Audio);
        let media = media.ok_or(NegotiateError::AnswerMismatch)?;
        if media.port == 0 {
            self.parameters = None;
            self.exchange = Exchange::Stable;
            return Err(NegotiateError::AudioRefused);
        }
        let audio = RemoteAudio::read(&session, media)?;
        let (codec, theirs) = self.answered_codec(&offer, &audio).ok_or(Refusal::NoCommonCodec)?;
        let own = self.numbers.number(Payload::Codec(codec)).ok_or(Refusal::NoCommonCodec)?;
        audio.payload_types.iter().for_each(|number| self.numbers.reserve(*number));

        let digits = Payload::Digits(codec.rate());
        let send_digits = audio.digits_at(codec.rate()).filter(|_| offer.lists(digits));
        let receive_digits = send_digits.and_then(|_| self.numbers.number(digits));
        let rtcp_mux = offer.rtcp_mux && audio.rtcp_mux;
        let parameters = StreamParameters {
            remote_rtp: audio.rtp,
            remote_rtcp: if rtcp_mux { audio.rtp } else { audio.rtcp },
            rtcp_mux,
            codec,
            send_payload_type: theirs,
            receive_payload_type: own,
            send_digits,
            receive_digits,
            packet_time: capabilities.packet_time_for(codec, audio.packet_time, audio.max_packet_time),
            direction: offer.wanted.and(audio.direction.reversed()),
        };
        self.wanted = offer.wanted;
        // Where we did not want to send, their not receiving says nothing of what they want.
        if offer.wanted.sends() {
            self.held = audio.holds_us();
        }
        self.parameters = Some(parameters.clone());
        self.exchange = Exchange::Stable;
        Ok(parameters)
    }

    /// Takes their answer to a description of ours that was sent again as it was, to refresh the session (RFC 4028 7.4): what has
    /// changed by it, or nothing.
    ///
    /// # Errors
    /// As [`MediaSession::receive_answer`], but everything is as before it. [`NegotiateError::OfferPending`] while an offer is.
    pub fn receive_answer_again(
        &mut self,
        capabilities: &Capabilities,
        sdp: &[u8],
    ) -> Result<Option<StreamParameters>, NegotiateError> {
        self.expect_no_offer()?;
        let Some(before) = self.parameters.clone() else { return Err(NegotiateError::NoOffer) };
        let mut list = Listing::default();
        for codec in capabilities.codecs.iter().copied().chain([before.codec]) {
            list.add(Payload::Codec(codec), self.numbers.number(Payload::Codec(codec)));
        }
        if before.receive_digits.is_some() {
            for rate in [8_000, 16_000] {
                list.add(Payload::Digits(rate), self.numbers.number(Payload::Digits(rate)));
            }
        }
        let offer = LocalOffer { wanted: self.wanted, listed: list.slots, rtcp_mux: before.rtcp_mux };
        let held = self.held;
        self.exchange = Exchange::LocalOffer { offer, first: false };
        match self.receive_answer(capabilities, sdp) {
            Ok(now) if now == before && held == self.held => Ok(None),
            Ok(now) => Ok(Some(now)),
            Err(error) => {
                self.parameters = Some(before);
                self.exchange = Exchange::Stable;
                Err(error)
            }
        }
    }

    /// The offer came to nothing (refused, 491, timed out, or we refuse theirs): everything is as before it. Without an offer
    /// nothing happens.
    pub fn abandon(&mut self) {
        self.exchange = self.rest();
    }

    /// Where the exchange stands once the present offer is gone.
    const fn rest(&self) -> Exchange {
        match self.exchange {
            Exchange::NoneYet
            | Exchange::LocalOffer { first: true, .. }
            | Exchange::RemoteOffer { first: true, .. } => Exchange::NoneYet,
            Exchange::Stable
            | Exchange::LocalOffer { first: false, .. }
            | Exchange::RemoteOffer { first: false, .. } => Exchange::Stable,
        }
    }

    const fn expect_no_offer(&self) -> Result<(), NegotiateError> {
        match self.exchange {
            Exchange::NoneYet | Exchange::Stable => Ok(()),
            Exchange::LocalOffer { .. } => Err(NegotiateError::OfferPending { ours: true }),
            Exchange::RemoteOffer { .. } => Err(NegotiateError::OfferPending { ours: false }),
        }
    }

    fn choose_codec(&self, capabilities: &Capabilities, audio: &RemoteAudio) -> Option<(Codec, u8)> {
        let offered = |codec: Codec| audio.codecs.iter().copied().find(|(other, _)| *other == codec);
        let in_use = self.parameters.as_ref().map(|parameters| parameters.codec);
        let in_use = in_use.filter(|codec| capabilities.codecs.contains(codec));
        in_use.and_then(offered).or_else(|| match capabilities.preference {
            Preference::Theirs => {
                audio.codecs.iter().copied().find(|(codec, _)| capabilities.codecs.contains(codec))
            }
            Preference::Ours => capabilities.codecs.iter().copied().find_map(offered),
        })
    }

    /// Their first codec that we offered. A dynamic number without an rtpmap means what it means in our offer.
    fn answered_codec(&self, offer: &LocalOffer, audio: &RemoteAudio) -> Option<(Codec, u8)> {
        let listed = |codec: &Codec| offer.lists(Payload::Codec(*codec));
        let named = audio.codecs.iter().copied().find(|(codec, _)| listed(codec));
        named.or_else(|| {
            audio.payload_types.iter().find_map(|number| {
                let ours = |codec: &Codec| listed(codec) && self.numbers.is(Payload::Codec(*codec), *number);
                Codec::ALL.into_iter().find(ours).map(|codec| (codec, *number))
            })
        })
    }

    /// Our description, with a version that grows by one exactly when its content changes (RFC 3264 8).
    fn write(&mut self, own: &OwnMedia<'_>) -> Vec<u8> {
        let next = self.version + 1;
        let mut writer = Writer::new(self.id, next, own.rtp.ip());
        writer.lines(&self.others.before);
        let numbers = own.list.payloads.iter().map(|(_, number)| *number);
        writer.media("audio", own.rtp.port(), self.profile.name(), numbers);
        for (payload, number) in &own.list.payloads {
            match payload {
                Payload::Codec(codec) => writer.codec(*number, *codec),
                Payload::Digits(rate) => writer.digits(*number, *rate),
            }
        }
        writer.packet_time(own.packet_time);
        if own.rtcp_mux {
            writer.rtcp_mux();
        }
        writer.direction(own.direction);
        writer.lines(&self.others.after);
        let content = digest(writer.content());
        if self.version > 0 && content == self.content {
            return writer.finish_with_version(self.version);
        }
        (self.version, self.content) = (next, content);
        writer.finish()
    }
}

/// What an m-line of ours says.
struct OwnMedia<'a> {
    rtp: SocketAddr,
    list: &'a Listing,
    packet_time: Duration,
    rtcp_mux: bool,
    direction: Direction,
}

/// The payloads of an m-line of ours, in order.
#[derive(Default)]
struct Listing {
    payloads: Vec<(Payload, u8)>,
    slots: u8,
}

impl Listing {
    /// Adds what has a number and is not there yet.
    fn add(&mut self, payload: Payload, number: Option<u8>) {
        let (Some(slot), Some(number)) = (payload.slot(), number) else { return };
        if self.slots & (1 << slot) == 0 {
            self.slots |= 1 << slot;
            self.payloads.push((payload, number));
        }
    }

    fn has_rate(&self, rate: u32) -> bool {
        self.payloads
            .iter()
            .any(|(payload, _)| matches!(payload, Payload::Codec(codec) if codec.rate() == rate))
    }
}

impl OtherMedia {
    fn around(session: &Session<'_>, place: usize) -> Self {
        let (before, rest) = session.media.split_at_checked(place).unwrap_or((&[], &[]));
        let after = rest.get(1..).unwrap_or(&[]);
        Self { place, before: rejections(before), after: rejections(after) }
    }
}

/// Stands for a description's content, so that the content need not be kept.
fn digest(content: &[u8]) -> u64 {
    let mut hasher = HashKeys::default().build_hasher();
    hasher.write(content);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_settled_session_is_small() {
        let size = size_of::<MediaSession>();
        assert!(size <= 336, "{size}");
    }
}
