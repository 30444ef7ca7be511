//! The audio of the parties: each phone's is brought here by Asterisk (AudioSocket, a TCP connection for each).
//!
//! A phone says a tone of its own, and what it hears is kept for a while, so that it can be told whose tone is in it. A frame is a
//! kind (one octet), a length (two) and that many octets; audio is 16-bit samples, 8,000 a second, little end first.

use hookswitch_media::audio::tone_level_dbm0;
use std::collections::{BTreeMap, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const RATE: u32 = 8_000;
/// Samples in a frame of 20 ms.
const FRAME: usize = 160;
const PACE: Duration = Duration::from_millis(20);
/// So much of what was heard is kept: the last second.
const KEPT: usize = RATE as usize;
/// A tone of this level is heard: phones say theirs at -13 dBm0.
const HEARD_DBM0: f32 = -30.0;

const HANGUP: u8 = 0x00;
const NAME: u8 = 0x01;
const AUDIO: u8 = 0x10;

/// What one phone says and hears.
#[derive(Debug, Default)]
struct Voice {
    /// Its own tone.
    own: u16,
    /// Another tone instead, until then.
    other: Option<([u16; 2], Instant)>,
    heard: VecDeque<i16>,
    /// Samples heard in all.
    total: u64,
    /// Since when its audio is brought here.
    since: Option<Instant>,
}

type Voices = Arc<Mutex<BTreeMap<String, Voice>>>;

/// All phones.
#[derive(Debug)]
pub(super) struct Phones {
    voices: Voices,
    address: SocketAddr,
    open: Arc<()>,
}

fn locked(voices: &Voices) -> MutexGuard<'_, BTreeMap<String, Voice>> {
    voices.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Phones {
    /// Phones that Asterisk brings the audio of to [`address`](Self::address).
    ///
    /// # Errors
    /// What the system says against it.
    pub(super) fn open() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let voices = Voices::default();
        let open = Arc::new(());
        let (shared, alive) = (Arc::clone(&voices), Arc::downgrade(&open));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if alive.upgrade().is_none() {
                    return;
                }
                if let Ok(stream) = stream {
                    let (voices, alive) = (Arc::clone(&shared), alive.clone());
                    thread::spawn(move || serve(stream, &voices, &|| alive.upgrade().is_some()));
                }
            }
        });
        Ok(Self { voices, address, open })
    }

    /// Where they are.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A phone says this tone from now on.
    pub(super) fn says(&self, phone: &str, hertz: u16) {
        locked(&self.voices).entry(phone.to_owned()).or_default().own = hertz;
    }

    /// A phone lets two frequencies (0: none) sound for so long instead.
    pub(super) fn sounds(&self, phone: &str, frequencies: [u16; 2], lasts: Duration) {
        locked(&self.voices).entry(phone.to_owned()).or_default().other =
            Some((frequencies, Instant::now() + lasts));
    }

    /// Samples that a phone has heard so far.
    pub(super) fn heard(&self, phone: &str) -> u64 {
        locked(&self.voices).get(phone).map_or(0, |voice| voice.total)
    }

    /// For how long a phone's audio has been brought here.
    pub(super) fn open_for(&self, phone: &str) -> Option<Duration> {
        Some(locked(&self.voices).get(phone)?.since?.elapsed())
    }

    /// The last so many samples that a phone heard, fewer if there are fewer.
    pub(super) fn last(&self, phone: &str, samples: usize) -> Vec<i16> {
        let voices = locked(&self.voices);
        let Some(voice) = voices.get(phone) else { return Vec::new() };
        voice.heard.iter().skip(voice.heard.len().saturating_sub(samples)).copied().collect()
    }

    /// Whether one phone's tone is in what another hears. What was on its way is waited for, then a moment of sound.
    pub(super) fn hears(&self, who: &str, of: &str) -> bool {
        let hertz = locked(&self.voices).get(of).map_or(0, |voice| voice.own);
        let begun = Instant::now();
        let mut from = None;
        // Half a second is for what is on its way, and a second and a half for sound to set in.
        while begun.elapsed() < Duration::from_secs(2) {
            thread::sleep(PACE);
            if begun.elapsed() < Duration::from_millis(300) {
                continue;
            }
            let from = *from.get_or_insert_with(|| self.heard(who));
            if self.heard(who) < from + 5 * FRAME as u64 {
                continue;
            }
            let sound = self.last(who, 5 * FRAME);
            if tone_level_dbm0(&sound, RATE, hertz) >= HEARD_DBM0 {
                return true;
            }
        }
        false
    }
}

impl Drop for Phones {
    fn drop(&mut self) {
        // The listener's thread ends with the connection after this.
        self.open = Arc::new(());
        let _ = TcpStream::connect(self.address);
    }
}

/// One phone's connection.
fn serve(mut stream: TcpStream, voices: &Voices, alive: &dyn Fn() -> bool) {
    let _ = stream.set_nodelay(true);
    let _ = stream.set_read_timeout(Some(PACE / 4));
    let (mut taken, mut phone) = (Vec::new(), String::new());
    let mut due = Instant::now();
    let mut sample = 0_u64;
    while alive() {
        let mut buffer = [0; 4_096];
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => taken.extend_from_slice(buffer.get(..length).unwrap_or_default()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return,
        }
        while let Some((kind, body)) = frame(&mut taken) {
            match kind {
                HANGUP => return,
                NAME => {
                    phone = name(&body);
                    locked(voices).entry(phone.clone()).or_default().since = Some(Instant::now());
                }
                AUDIO => hear(voices, &phone, &body),
                _ => {}
            }
        }
        while !phone.is_empty() && due <= Instant::now() {
            due += PACE;
            if stream.write_all(&speak(voices, &phone, &mut sample)).is_err() {
                return;
            }
        }
    }
}

/// Takes a frame off what came, if there is a whole one.
fn frame(taken: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let [kind, high, low] = *taken.first_chunk::<3>()?;
    let length = usize::from(u16::from_be_bytes([high, low]));
    let body = taken.get(3..3 + length)?.to_vec();
    taken.drain(..3 + length);
    Some((kind, body))
}

/// The name that 16 octets stand for.
fn name(body: &[u8]) -> String {
    let mut text = String::new();
    for (n, octet) in body.iter().enumerate() {
        if matches!(n, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{octet:02x}"));
    }
    text
}

fn hear(voices: &Voices, phone: &str, body: &[u8]) {
    let mut voices = locked(voices);
    let voice = voices.entry(phone.to_owned()).or_default();
    let samples = body.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
    voice.heard.extend(samples);
    voice.total += body.len() as u64 / 2;
    let over = voice.heard.len().saturating_sub(KEPT);
    voice.heard.drain(..over);
}

/// The next frame that a phone says.
fn speak(voices: &Voices, phone: &str, sample: &mut u64) -> Vec<u8> {
    let mut voices = locked(voices);
    let voice = voices.entry(phone.to_owned()).or_default();
    if voice.other.is_some_and(|(_, until)| until <= Instant::now()) {
        voice.other = None;
    }
    let frequencies = voice.other.map_or([voice.own, 0], |(frequencies, _)| frequencies);
    drop(voices);
    let mut frame = vec![AUDIO, ((2 * FRAME) >> 8) as u8, ((2 * FRAME) & 0xFF) as u8];
    for n in *sample..*sample + FRAME as u64 {
        let seconds = (n % u64::from(RATE)) as f32 / RATE as f32;
        let tone = |hertz: u16| match hertz {
            0 => 0.0,
            hertz => 6_000.0 * (std::f32::consts::TAU * f32::from(hertz) * seconds).sin(),
        };
        let value = frequencies.into_iter().map(tone).sum::<f32>() as i16;
        frame.extend_from_slice(&value.to_le_bytes());
    }
    *sample += FRAME as u64;
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_taken_when_it_is_whole() {
        let mut taken = vec![AUDIO, 0, 4, 1, 2, 3];
        assert_eq!(frame(&mut taken), None);
        taken.extend([4, NAME]);
        assert_eq!(frame(&mut taken), Some((AUDIO, vec![1, 2, 3, 4])));
        assert_eq!(taken, [NAME]);
    }

    #[test]
    fn a_name_is_written_as_it_was_given() {
        let octets: Vec<u8> = (0..16).collect();
        assert_eq!(name(&octets), "00010203-0405-0607-0809-0a0b0c0d0e0f");
    }

    #[test]
    fn what_is_said_is_the_phones_tone() {
        let voices = Voices::default();
        locked(&voices).entry("p".into()).or_default().own = 550;
        let mut sample = 0;
        let frame = speak(&voices, "p", &mut sample);
        hear(&voices, "p", frame.get(3..).unwrap_or_default());
        let heard: Vec<i16> = locked(&voices)["p"].heard.iter().copied().collect();
        assert_eq!((sample, heard.len()), (160, 160));
        assert!(
            tone_level_dbm0(&heard, RATE, 550) > HEARD_DBM0 && tone_level_dbm0(&heard, RATE, 900) < -40.0
        );
    }
}
