//! A folder in memory that can stop after any step and lose power: for tests.
//!
//! A disk forgets: what was written and not synchronised may be there, in part, or not at all, and so may the names of
//! files. [`Folder::survivors`] lists what may be found after a process was killed, or the power lost, at this moment.

use crate::Disk;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A file's content, as it was made safe last and as it is now.
#[derive(Clone, Debug, Default)]
struct File {
    safe: Option<Vec<u8>>,
    now: Vec<u8>,
}

/// A change of names that is not safe yet.
#[derive(Clone, Debug)]
enum Renaming {
    Add { name: String, file: usize },
    Rename { from: String, to: String },
    Remove { name: String },
}

impl Renaming {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Add { name, file } => drop(names.insert(name.clone(), *file)),
            Self::Rename { from, to } => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
            Self::Remove { name } => drop(names.remove(name)),
        }
    }
}

/// When something fails.
#[derive(Clone, Copy, Debug)]
struct Stop {
    /// Steps that are still carried out.
    after: usize,
    /// How many octets of the step that fails are written, if it writes.
    torn: usize,
}

#[derive(Clone, Debug, Default)]
struct State {
    files: Vec<File>,
    /// Names that survive a loss of power.
    safe: BTreeMap<String, usize>,
    /// Names as processes see them.
    names: BTreeMap<String, usize>,
    pending: Vec<Renaming>,
    steps: usize,
    stop: Option<Stop>,
    fail: Option<Stop>,
    locked: bool,
}

/// The folder. Clones are the same folder, as another process sees it.
#[derive(Clone, Debug, Default)]
pub struct Folder {
    state: Arc<Mutex<State>>,
}

/// The right to change a [`Folder`].
#[derive(Debug)]
pub struct Held(Arc<Mutex<State>>);

impl Drop for Held {
    fn drop(&mut self) {
        lock(&self.0).locked = false;
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Pending changes of names that may each have become safe or not: all combinations of so many, prefixes of more.
const COMBINED: usize = 6;

impl Folder {
    /// An empty folder.
    pub fn new() -> Self {
        Self::default()
    }

    /// A folder with one file, all safe.
    pub fn with(name: &str, content: &str) -> Self {
        Self::holding([(name.to_owned(), content.as_bytes().to_vec())])
    }

    fn holding(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let mut state = State::default();
        for (name, content) in files {
            state.safe.insert(name, state.files.len());
            state.files.push(File { safe: Some(content.clone()), now: content });
        }
        state.names.clone_from(&state.safe);
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// A folder of its own with the same files.
    pub fn copy(&self) -> Self {
        Self { state: Arc::new(Mutex::new(lock(&self.state).clone())) }
    }

    /// The process is killed after so many more steps: what it does then fails, and of what it writes then only `torn`
    /// octets arrive.
    pub fn stop_after(&self, steps: usize, torn: usize) {
        lock(&self.state).stop = Some(Stop { after: steps, torn });
    }

    /// The step after so many more fails, and nothing is killed: a full disk, for instance. What it writes arrives in part.
    pub fn fail_after(&self, steps: usize, torn: usize) {
        lock(&self.state).fail = Some(Stop { after: steps, torn });
    }

    /// How many steps have changed something, or made it safe.
    pub fn steps(&self) -> usize {
        lock(&self.state).steps
    }

    /// The files and what stands in them, as processes see them.
    pub fn files(&self) -> BTreeMap<String, String> {
        let state = lock(&self.state);
        let text =
            |file: &usize| state.files.get(*file).map(|file| String::from_utf8_lossy(&file.now).into_owned());
        state.names.iter().filter_map(|(name, file)| Some((name.clone(), text(file)?))).collect()
    }

    /// Every folder that may be found by those who come after: the process was killed, or the power was lost. Nobody holds
    /// the lock there.
    pub fn survivors(&self) -> Vec<Self> {
        let state = lock(&self.state);
        let mut all = Vec::new();
        let now = state
            .names
            .iter()
            .filter_map(|(name, file)| Some((name.clone(), state.files.get(*file)?.now.clone())));
        all.push(Self::holding(now));
        let pending = state.pending.len();
        let combinations: Vec<Vec<bool>> = if pending <= COMBINED {
            (0..1_usize << pending).map(|bits| (0..pending).map(|n| bits >> n & 1 == 1).collect()).collect()
        } else {
            (0..=pending).map(|most| (0..pending).map(|n| n < most).collect()).collect()
        };
        for became_safe in combinations {
            let mut names = state.safe.clone();
            for (change, _) in state.pending.iter().zip(&became_safe).filter(|(_, safe)| **safe) {
                change.apply(&mut names);
            }
            // What was not made safe is there in full, in part, or not.
            for part in 0..3 {
                let content = names.iter().filter_map(|(name, file)| {
                    let file = state.files.get(*file)?;
                    let content = match (&file.safe, part) {
                        (Some(safe), _) if *safe == file.now => safe.clone(),
                        (_, 0) => file.now.clone(),
                        (_, 1) => file.now.get(..file.now.len() / 2).unwrap_or_default().to_vec(),
                        (Some(safe), _) => safe.clone(),
                        (None, _) => Vec::new(),
                    };
                    Some((name.clone(), content))
                });
                all.push(Self::holding(content));
            }
        }
        all
    }

    /// Takes a step; `Err` with the octets that are still written if the process is killed in it.
    fn step(state: &mut State) -> Result<(), usize> {
        match &mut state.fail {
            Some(Stop { after: 0, torn }) => {
                let torn = *torn;
                state.fail = None;
                return Err(torn);
            }
            Some(Stop { after, .. }) => *after -= 1,
            None => {}
        }
        match &mut state.stop {
            Some(Stop { after: 0, torn }) => Err(std::mem::take(torn)),
            Some(Stop { after, .. }) => {
                *after -= 1;
                state.steps += 1;
                Ok(())
            }
            None => {
                state.steps += 1;
                Ok(())
            }
        }
    }
}

fn killed() -> io::Error {
    io::Error::other("the disk failed, or the process was killed")
}

impl Disk for Folder {
    type Lock = Held;

    fn place(&self) -> String {
        "memory".to_owned()
    }

    fn lock(&self) -> io::Result<Option<Held>> {
        let mut state = lock(&self.state);
        if std::mem::replace(&mut state.locked, true) {
            return Ok(None);
        }
        Ok(Some(Held(Arc::clone(&self.state))))
    }

    fn read(&self, name: &str, most: usize) -> io::Result<Option<Vec<u8>>> {
        let state = lock(&self.state);
        let file = state.names.get(name).and_then(|file| state.files.get(*file));
        match file {
            Some(file) if file.now.len() > most => Err(io::ErrorKind::FileTooLarge.into()),
            Some(file) => Ok(Some(file.now.clone())),
            None => Ok(None),
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut state = lock(&self.state);
        let step = Self::step(&mut state);
        let part = match step {
            Ok(()) => bytes,
            Err(0) => return Err(killed()),
            Err(torn) => bytes.get(..torn.min(bytes.len())).unwrap_or_default(),
        };
        let known = state.names.get(name).copied();
        match known.and_then(|file| state.files.get_mut(file)) {
            Some(file) => file.now = part.to_vec(),
            None => {
                let file = state.files.len();
                state.files.push(File { safe: None, now: part.to_vec() });
                let change = Renaming::Add { name: name.to_owned(), file };
                change.apply(&mut state.names);
                state.pending.push(change);
            }
        }
        step.map_err(|_| killed())
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        let mut state = lock(&self.state);
        Self::step(&mut state).map_err(|_| killed())?;
        let file = state.names.get(name).copied();
        let file = file.and_then(|file| state.files.get_mut(file)).ok_or(io::ErrorKind::NotFound)?;
        file.safe = Some(file.now.clone());
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = lock(&self.state);
        Self::step(&mut state).map_err(|_| killed())?;
        if !state.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let change = Renaming::Rename { from: from.to_owned(), to: to.to_owned() };
        change.apply(&mut state.names);
        state.pending.push(change);
        Ok(())
    }

    fn sync_folder(&self) -> io::Result<()> {
        let mut state = lock(&self.state);
        Self::step(&mut state).map_err(|_| killed())?;
        state.safe = state.names.clone();
        state.pending.clear();
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = lock(&self.state);
        if !state.names.contains_key(name) {
            return Ok(());
        }
        Self::step(&mut state).map_err(|_| killed())?;
        let change = Renaming::Remove { name: name.to_owned() };
        change.apply(&mut state.names);
        state.pending.push(change);
        Ok(())
    }
}
