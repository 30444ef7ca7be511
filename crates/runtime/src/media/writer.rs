//! The thread that writes recordings. Media threads hand samples over through a ring and never wait for a disk.

use super::ring::{Ring, pair, unpair};
use hookswitch_media::audio::convert;
use hookswitch_media::audio::{Recording, WavError};
use hookswitch_media::stream::Recorder;
use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// Moments that a ring holds: two seconds at 8 kHz.
const CAPACITY: usize = 16_384;
/// How often rings are emptied.
const ROUND: Duration = Duration::from_millis(100);
/// How many rounds between two headers that make the file playable as it is.
const CHECKPOINT: u32 = 100;

/// What the media thread and the writer share of one recording.
#[derive(Debug)]
pub(super) struct Tape {
    ring: Ring,
    /// The file's rate: that of the first frame, 0 before it.
    rate: AtomicU32,
    /// Moments lost because the ring was full.
    lost: AtomicU64,
}

impl Tape {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { ring: Ring::new(CAPACITY), rate: AtomicU32::new(0), lost: AtomicU64::new(0) })
    }
}

/// The media thread's end.
#[derive(Debug)]
pub(super) struct TapeRecorder(pub(super) Arc<Tape>);

impl Recorder for TapeRecorder {
    fn record(&mut self, rate: u32, received: &[i16], sent: &[i16]) {
        let tape = &self.0;
        let file_rate = match tape.rate.load(Ordering::Relaxed) {
            0 => {
                tape.rate.store(rate, Ordering::Release);
                rate
            }
            file_rate => file_rate,
        };
        let push = |received: &[i16], sent: &[i16]| {
            let cells = received.iter().zip(sent).map(|(received, sent)| pair(*received, *sent));
            let pushed = tape.ring.push(cells);
            tape.lost.fetch_add((received.len() - pushed) as u64, Ordering::Relaxed);
        };
        if rate == file_rate {
            push(received, sent);
            return;
        }
        // The codec has changed under the recording: the file keeps its rate.
        let mut frames = [[0i16; 1_920]; 2];
        let length = (received.len() * file_rate as usize / rate.max(1) as usize).min(1_920);
        let [left, right] = &mut frames;
        let (left, right) = (&mut left[..length], &mut right[..length]);
        convert(received, left);
        convert(sent, right);
        push(left, right);
    }
}

/// What the writer is asked.
pub(super) enum WriterRequest {
    /// Begin a file. `failed` is told at most once what went wrong.
    Begin { path: PathBuf, tape: Arc<Tape>, failed: Box<dyn FnMut(String) + Send> },
    /// Complete the file of a tape, then call `done`.
    End { tape: Arc<Tape>, done: Box<dyn FnOnce() + Send> },
}

struct Open {
    path: PathBuf,
    tape: Arc<Tape>,
    /// `None` before the first frame, and after a failure.
    file: Target,
    failed: Box<dyn FnMut(String) + Send>,
    rounds: u32,
}

enum Target {
    Created(File),
    Recording(Recording<BufWriter<File>>),
    Failed,
}

/// Serves until nobody can ask any more, then completes what is open.
pub(super) fn run(requests: &Receiver<WriterRequest>) {
    let mut open: Vec<Open> = Vec::new();
    loop {
        let request = if open.is_empty() {
            requests.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            requests.recv_timeout(ROUND)
        };
        match request {
            Ok(WriterRequest::Begin { path, tape, failed }) => open.push(Open::begin(path, tape, failed)),
            Ok(WriterRequest::End { tape, done }) => {
                if let Some(at) = open.iter().position(|o| Arc::ptr_eq(&o.tape, &tape)) {
                    open.swap_remove(at).complete();
                }
                done();
            }
            Err(RecvTimeoutError::Timeout) => open.iter_mut().for_each(Open::round),
            Err(RecvTimeoutError::Disconnected) => {
                open.into_iter().for_each(Open::complete);
                return;
            }
        }
        // A stream of requests must not keep the rings from being emptied.
        open.iter_mut().filter(|o| o.tape.ring.room() < CAPACITY / 2).for_each(Open::round);
    }
}

impl Open {
    fn begin(path: PathBuf, tape: Arc<Tape>, failed: Box<dyn FnMut(String) + Send>) -> Self {
        let created = File::create(&path);
        let mut this = Self { path, tape, file: Target::Failed, failed, rounds: 0 };
        match created {
            Ok(file) => this.file = Target::Created(file),
            Err(error) => this.fail(&error.to_string()),
        }
        this
    }

    fn fail(&mut self, why: &str) {
        self.file = Target::Failed;
        (self.failed)(format!("{} cannot be recorded: {why}", self.path.display()));
    }

    fn round(&mut self) {
        if let Err(error) = self.write() {
            self.fail(&error.to_string());
        }
    }

    /// Writes what the ring holds.
    fn write(&mut self) -> Result<(), WavError> {
        let rate = self.tape.rate.load(Ordering::Acquire);
        if rate == 0 {
            return Ok(());
        }
        let (mut received, mut sent) = (Vec::with_capacity(CAPACITY), Vec::with_capacity(CAPACITY));
        self.tape.ring.pop(CAPACITY, |cell| {
            let (left, right) = unpair(cell);
            received.push(left);
            sent.push(right);
        });
        let mut recording = match std::mem::replace(&mut self.file, Target::Failed) {
            Target::Created(file) => Recording::new(BufWriter::new(file), rate)?,
            Target::Recording(recording) => recording,
            Target::Failed => return Ok(()),
        };
        recording.write(&received, &sent)?;
        self.rounds += 1;
        if self.rounds.is_multiple_of(CHECKPOINT) {
            recording.checkpoint()?;
        }
        self.file = Target::Recording(recording);
        Ok(())
    }

    fn complete(mut self) {
        self.round();
        let rate = self.tape.rate.load(Ordering::Acquire).max(8_000);
        let finished = match std::mem::replace(&mut self.file, Target::Failed) {
            // Nothing was ever heard or sent: an empty file, but a valid one.
            Target::Created(file) => Recording::new(BufWriter::new(file), rate).and_then(Recording::finish),
            Target::Recording(recording) => recording.finish(),
            Target::Failed => return,
        };
        let lost = self.tape.lost.load(Ordering::Relaxed);
        match finished {
            Err(error) => self.fail(&error.to_string()),
            Ok(()) if lost > 0 => {
                let millis = lost * 1_000 / u64::from(rate);
                (self.failed)(format!(
                    "{} lacks {millis} ms: the disk was too slow for the recording",
                    self.path.display()
                ));
            }
            Ok(()) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hookswitch_media::audio::read_wav_channel;
    use std::sync::mpsc;

    fn temporary(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("hookswitch-{name}-{}.wav", std::process::id()))
    }

    #[test]
    fn both_directions_reach_the_file_and_a_change_of_rate_keeps_it() {
        let path = temporary("writer");
        let (ask, requests) = mpsc::channel();
        let tape = Tape::new();
        let failed = Box::new(|message| panic!("{message}"));
        ask.send(WriterRequest::Begin { path: path.clone(), tape: tape.clone(), failed }).unwrap();
        let mut recorder = TapeRecorder(tape.clone());
        for _ in 0..10 {
            recorder.record(8_000, &[100; 160], &[-100; 160]);
        }
        for _ in 0..10 {
            recorder.record(16_000, &[100; 320], &[-100; 320]);
        }
        let (done, wait) = mpsc::channel();
        ask.send(WriterRequest::End { tape, done: Box::new(move || done.send(()).unwrap()) }).unwrap();
        drop(ask);
        run(&requests);
        wait.recv().unwrap();
        let long = Duration::from_secs(60);
        for (channel, value) in [(0, 100), (1, -100)] {
            let samples = read_wav_channel(File::open(&path).unwrap(), channel, 8_000, long).unwrap();
            assert_eq!(samples.len(), 3_200);
            assert!(samples.iter().all(|s| *s == value));
        }
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn what_cannot_be_written_is_said_and_a_full_ring_is_counted() {
        let (ask, requests) = mpsc::channel();
        let (told, messages) = mpsc::channel();
        for path in [PathBuf::from("/nowhere/at/all.wav"), temporary("slow")] {
            let (tape, told) = (Tape::new(), told.clone());
            let failed = Box::new(move |message| told.send(message).unwrap());
            let mut recorder = TapeRecorder(tape.clone());
            for _ in 0..200 {
                recorder.record(8_000, &[0; 160], &[0; 160]);
            }
            ask.send(WriterRequest::Begin { path, tape: tape.clone(), failed }).unwrap();
            ask.send(WriterRequest::End { tape, done: Box::new(|| ()) }).unwrap();
        }
        drop((ask, told));
        run(&requests);
        let messages: Vec<String> = messages.iter().collect();
        assert!(messages[0].contains("/nowhere/at/all.wav"), "{messages:?}");
        assert!(messages[1].contains("lacks 1952 ms"), "{messages:?}");
        assert_eq!(messages.len(), 2);
        std::fs::remove_file(temporary("slow")).unwrap();
    }
}
