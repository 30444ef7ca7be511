//! What a stream sends, and the borders to whoever takes what it hears.

use super::echo::EchoMap;
use crate::audio::{CadencedTone, Playback, Tone, amplify};
use crate::control::{Event, GeneratedTone, StreamId};
use crate::dtmf::{DigitChange, ReceivedDigit};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Takes what a stream puts out, in order.
pub trait Outbox {
    /// A datagram for the RTP socket (RTCP too, if multiplexed).
    fn rtp(&mut self, to: SocketAddr, packet: &[u8]);
    /// A datagram for the RTCP socket.
    fn rtcp(&mut self, to: SocketAddr, packet: &[u8]);
    /// Something for signalling.
    fn event(&mut self, event: Event);
}

/// The application's end of a live stream. Called once per packet time; must not block.
pub trait LiveAudio: Send + fmt::Debug {
    /// Takes what was heard and fills what is sent; both have the same length, at `rate` Hz.
    fn exchange(&mut self, rate: u32, received: &[i16], sent: &mut [i16]);
}

/// Takes both directions of a stream, aligned in time. Called once per packet time; must not block.
pub trait Recorder: Send + fmt::Debug {
    /// The next moment at `rate` Hz: both have the same length.
    fn record(&mut self, rate: u32, received: &[i16], sent: &[i16]);
}

/// What a stream sends while its direction allows it: a [`Source`](crate::control::Source) whose file is in memory.
#[derive(Debug)]
pub enum Feed {
    /// Packets of silence.
    Silence,
    /// What arrives is sent back, packet by packet.
    Echo,
    /// A steady tone.
    Tone {
        /// Hertz; one or two frequencies, 0 for none.
        frequencies: [u16; 2],
        /// Level of each in dBm0.
        level: i8,
    },
    /// A tone with a cadence, then silence.
    Generated(GeneratedTone),
    /// Samples, then silence; silence at once if the stream's rate is not theirs.
    Samples {
        /// The samples, shared by all who play them.
        samples: Arc<[i16]>,
        /// Their rate in Hz.
        rate: u32,
        /// Begin again at the end.
        repeat: bool,
    },
    /// An application's frames.
    Live(Box<dyn LiveAudio>),
}

/// What a packet carries instead of audio, or before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Emission {
    /// The samples that were filled in.
    Audio,
    /// The samples that were filled in, which others in the mix are sent too.
    Common,
    /// Silence, without encoding anything.
    Silence,
    /// Nothing: an event went out, or there is nothing to say.
    Nothing,
}

/// How a feed is sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tuning {
    /// It stands still.
    pub(super) paused: bool,
    /// Decibels louder than it is.
    pub(super) gain: i8,
}

/// A feed at work.
#[derive(Debug)]
pub(super) enum Playing {
    Silence,
    Echo(EchoMap),
    Tone { frequencies: [u16; 2], level: i8, tone: Option<(u32, Tone)> },
    Generated { tone: GeneratedTone, playing: Option<CadencedTone> },
    Samples { playback: Playback, rate: u32, announced: bool },
    Live(Box<dyn LiveAudio>),
}

impl From<Feed> for Playing {
    fn from(feed: Feed) -> Self {
        match feed {
            Feed::Silence => Self::Silence,
            Feed::Echo => Self::Echo(EchoMap::new()),
            Feed::Tone { frequencies, level } => Self::Tone { frequencies, level, tone: None },
            Feed::Generated(tone) => Self::Generated { tone, playing: None },
            Feed::Samples { samples, rate, repeat } => {
                Self::Samples { playback: Playback::new(samples, repeat), rate, announced: false }
            }
            Feed::Live(live) => Self::Live(live),
        }
    }
}

impl Playing {
    pub(super) const fn is_echo(&self) -> bool {
        matches!(self, Self::Echo(_))
    }

    pub(super) const fn is_live(&self) -> bool {
        matches!(self, Self::Live(_))
    }

    /// Fills `sent` with what comes next at `rate`; `received` is what is heard meanwhile.
    pub(super) fn fill(
        &mut self,
        stream: StreamId,
        rate: u32,
        tuning: Tuning,
        received: &[i16],
        sent: &mut [i16],
        out: &mut dyn Outbox,
    ) -> Emission {
        if tuning.paused {
            self.bypass(rate, received);
            return Emission::Silence;
        }
        let emission = self.play(stream, rate, received, sent, out);
        if tuning.gain != 0 && emission == Emission::Audio {
            amplify(sent, tuning.gain);
        }
        emission
    }

    fn play(
        &mut self,
        stream: StreamId,
        rate: u32,
        received: &[i16],
        sent: &mut [i16],
        out: &mut dyn Outbox,
    ) -> Emission {
        match self {
            Self::Silence | Self::Echo(_) => Emission::Silence,
            Self::Tone { frequencies, level, tone } => {
                if tone.as_ref().is_none_or(|(its, _)| *its != rate) {
                    *tone = Some((rate, Tone::new(rate, *frequencies, *level)));
                }
                if let Some((_, tone)) = tone {
                    tone.fill(sent);
                }
                Emission::Audio
            }
            Self::Generated { tone, playing } => {
                let generator = playing.get_or_insert_with(|| CadencedTone::new(rate, tone, Duration::ZERO));
                if generator.rate() != rate {
                    *generator = generator.at_rate(rate, tone, Duration::ZERO);
                }
                if generator.fill(sent) == 0 { Emission::Silence } else { Emission::Audio }
            }
            Self::Samples { rate: its, .. } if *its != rate => Emission::Silence,
            Self::Samples { playback, announced, .. } => {
                let filled = playback.fill(sent);
                if playback.is_finished() && !*announced {
                    *announced = true;
                    out.event(Event::Played { stream });
                }
                if filled == 0 { Emission::Silence } else { Emission::Audio }
            }
            Self::Live(live) => {
                live.exchange(rate, received, sent);
                Emission::Audio
            }
        }
    }

    /// Something else is sent: what is heard stays the application's, what it says meanwhile is lost.
    pub(super) fn bypass(&mut self, rate: u32, received: &[i16]) {
        if let Self::Live(live) = self {
            let mut unsent = [0; 960];
            live.exchange(rate, received, unsent.get_mut(..received.len()).unwrap_or_default());
        }
    }
}

/// Tells signalling of a digit that ended.
pub(super) fn report_digit(stream: StreamId, ended: Option<ReceivedDigit>, out: &mut dyn Outbox) {
    if let Some(ended) = ended {
        out.event(Event::Digit { stream, digit: ended.digit, duration: ended.duration });
    }
}

/// Tells signalling of a digit that begins or ended.
pub(super) fn report_change(stream: StreamId, change: DigitChange, out: &mut dyn Outbox) {
    match change {
        DigitChange::Begun(digit) => out.event(Event::DigitBegun { stream, digit }),
        DigitChange::Ended(ended) => report_digit(stream, Some(ended), out),
    }
}
