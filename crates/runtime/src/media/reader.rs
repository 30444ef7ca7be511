//! The thread that loads what streams play, so that no media thread waits for a disk.

use hookswitch_media::audio::{read_wav, render_melody};
use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

/// The longest file played.
const LONGEST: Duration = Duration::from_secs(30 * 60);

/// What to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    File(PathBuf),
    Melody,
}

/// Samples, or a sentence that says why there are none.
pub(super) type Loaded = Result<Arc<[i16]>, String>;

/// Asks for samples at a rate.
pub(super) struct Load {
    pub(super) wanted: Wanted,
    pub(super) rate: u32,
    pub(super) done: Box<dyn FnOnce(Loaded) + Send>,
}

/// A file as it was when it was read.
struct Read {
    modified: Option<SystemTime>,
    length: u64,
    samples: Weak<[i16]>,
}

/// Serves until nobody can ask any more. A thousand calls that play one file share one copy.
pub(super) fn run(requests: &Receiver<Load>) {
    let mut files: HashMap<(PathBuf, u32), Read> = HashMap::new();
    let mut melodies: HashMap<u32, Arc<[i16]>> = HashMap::new();
    while let Ok(Load { wanted, rate, done }) = requests.recv() {
        done(match wanted {
            Wanted::Melody => Ok(melodies.entry(rate).or_insert_with(|| render_melody(rate).into()).clone()),
            Wanted::File(path) => {
                let loaded = load(&mut files, &path, rate);
                files.retain(|_, read| read.samples.strong_count() > 0);
                loaded.map_err(|error| format!("{} cannot be played: {error}", path.display()))
            }
        });
    }
}

fn load(files: &mut HashMap<(PathBuf, u32), Read>, path: &Path, rate: u32) -> Loaded {
    // Asked before opening: a pipe without a writer would hold the thread for good.
    let about = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !about.is_file() {
        return Err("it is no regular file".into());
    }
    let file = File::open(path).map_err(|error| error.to_string())?;
    let (modified, length) = (about.modified().ok(), about.len());
    let key = (path.to_owned(), rate);
    if let Some(read) = files.get(&key)
        && (read.modified, read.length) == (modified, length)
        && let Some(samples) = read.samples.upgrade()
    {
        return Ok(samples);
    }
    let samples: Arc<[i16]> =
        read_wav(BufReader::new(file), rate, LONGEST).map_err(|error| error.to_string())?.into();
    files.insert(key, Read { modified, length, samples: Arc::downgrade(&samples) });
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_file_is_read_once_and_a_missing_one_is_explained() {
        let path = std::env::temp_dir().join(format!("hookswitch-reader-{}.wav", std::process::id()));
        let file = File::create(&path).unwrap();
        let mut recording = hookswitch_media::audio::Recording::new(file, 8_000).unwrap();
        recording.write(&[100; 800], &[100; 800]).unwrap();
        recording.finish().unwrap();
        let mut files = HashMap::new();
        let first = load(&mut files, &path, 8_000).unwrap();
        let again = load(&mut files, &path, 8_000).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        assert_eq!(first.len(), 800);
        std::fs::remove_file(&path).unwrap();

        let (ask, requests) = mpsc::channel();
        let (answer, answers) = mpsc::channel();
        let done = Box::new(move |loaded| answer.send(loaded).unwrap());
        ask.send(Load { wanted: Wanted::File(path.clone()), rate: 8_000, done }).unwrap();
        drop(ask);
        run(&requests);
        let message = answers.recv().unwrap().unwrap_err();
        assert!(message.contains(path.to_str().unwrap()), "{message}");
    }
}
