//! What the media core was last told to send on each stream.

use crate::loopback::Playing;
use hookswitch_media::control::{Command, GeneratedTone, Source, StreamId};
use hookswitch_spi::{AudioSource, CallTreatment};
use std::collections::BTreeMap;

/// The sources of all streams; whether each stands still, and how loud it is.
#[derive(Debug, Default)]
pub struct Sources(BTreeMap<StreamId, (Source, bool, i8)>);

impl Sources {
    /// Notes what a command changes.
    pub fn command(&mut self, command: &Command) {
        match command {
            Command::Start { stream, source, .. }
            | Command::StartLocal { stream, source }
            | Command::Send { stream, source } => {
                let gain = self.0.get(stream).map_or(0, |(_, _, gain)| *gain);
                self.0.insert(*stream, (source.clone(), false, gain));
            }
            Command::Pause { stream, on } => {
                if let Some((_, paused, _)) = self.0.get_mut(stream) {
                    *paused = *on;
                }
            }
            Command::Gain { stream, decibels } => {
                if let Some((_, _, gain)) = self.0.get_mut(stream) {
                    *gain = *decibels;
                }
            }
            _ => {}
        }
    }

    /// What a party that waits hears on a stream, if it is one of the things for those who wait.
    pub fn treatment(&self, stream: StreamId) -> Option<CallTreatment> {
        match &self.0.get(&stream)?.0 {
            Source::Silence => Some(CallTreatment::Silence),
            Source::Music => Some(CallTreatment::Music),
            Source::Generated(GeneratedTone::Ringback) => Some(CallTreatment::Ringback),
            Source::Generated(GeneratedTone::Busy) => Some(CallTreatment::Busy),
            Source::Echo
            | Source::Tone { .. }
            | Source::Generated(_)
            | Source::File { .. }
            | Source::Live(_) => None,
        }
    }

    /// What a call plays.
    pub fn playing(&self, stream: StreamId) -> Option<Playing> {
        let (source, paused, gain) = self.0.get(&stream)?.clone();
        let source = match source {
            // What a waiting party hears is no source of a call's own.
            Source::Silence | Source::Generated(_) => AudioSource::Silence,
            Source::Echo => AudioSource::Echo,
            Source::Tone { frequencies, level } => AudioSource::Tone { frequencies, level },
            Source::File { path, repeat } => AudioSource::File { path, repeat },
            Source::Music => AudioSource::Music,
            Source::Live(id) => AudioSource::Live(id.0),
        };
        Some(Playing { source, paused, gain })
    }
}
