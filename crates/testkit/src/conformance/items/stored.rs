//! Part A: what is stored of a provider (checklist 1 to 5).
//!
//! The store is the real one, on a disk in memory that can stop after any step; sessions begin with what is found there.

use super::item;
use crate::conformance::bench::{Bench, ensure, same};
use crate::conformance::subject::{Act, LineSetup, Setup};
use crate::conformance::{Finding, Item, Suite, Verdict};
use hookswitch_spi::{AddressId, Capabilities, LineId, ProviderEvent, StateKind};
use hookswitch_store::memory::Folder;
use hookswitch_store::{Disk, Document, FILE, ProviderId, Store, StoreError, Value};
use std::error::Error;
use std::io;
use std::time::Duration;

pub(super) const ITEMS: &[Item] = &[
    item(1, "nothing begins before an install; install and remove come in pairs", pairs),
    item(2, "an install that is interrupted at any step is complete, or nothing is left", interrupted),
    item(3, "what is configured during a session shows in the next one, whoever wrote it", next_session),
    item(4, "what is configured during a session is told once", told_once),
    item(5, "removing the provider does not touch a session and its calls", removed_in_use),
];

const LINE: LineId = LineId(0);

/// An installation of a provider on a disk, for the items that are about what is stored.
pub trait Installed {
    /// Another process's view of the same disk.
    fn folder(&self) -> Folder;

    /// The same kind of installation on another disk.
    fn on(&self, folder: Folder) -> Box<dyn Installed>;

    /// Installs with these lines.
    ///
    /// # Errors
    /// As [`Store::install`].
    fn install(&self, lines: &[LineSetup]) -> Result<(), StoreError>;

    /// The stored lines are these from now on.
    ///
    /// # Errors
    /// As [`Store::configure`].
    fn configure(&self, lines: &[LineSetup]) -> Result<(), StoreError>;

    /// Removes it.
    ///
    /// # Errors
    /// As [`Store::remove`].
    fn remove(&self) -> Result<(), StoreError>;

    /// What a session would begin with.
    ///
    /// # Errors
    /// As [`Store::read`].
    fn lines(&self) -> Result<Vec<LineSetup>, StoreError>;
}

/// Breaks a store, to show that its items bite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreFault {
    /// Installing again replaces what is installed (breaks item 1).
    InstallsAgain,
    /// The file is written where it stands (breaks item 2).
    WritesInPlace,
    /// The file takes its name before its content is safe (breaks item 2).
    RenamesUnsafe,
}

impl StoreFault {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::InstallsAgain, Self::WritesInPlace, Self::RenamesUnsafe];

    /// The number of the item that has to fail.
    pub const fn breaks(self) -> u8 {
        match self {
            Self::InstallsAgain => 1,
            Self::WritesInPlace | Self::RenamesUnsafe => 2,
        }
    }
}

/// A disk in memory, with a fault or without.
#[derive(Clone)]
struct Disc {
    folder: Folder,
    fault: Option<StoreFault>,
}

impl Disc {
    /// The name that is really written to.
    fn place_of<'a>(&self, name: &'a str) -> &'a str {
        if self.fault == Some(StoreFault::WritesInPlace) { FILE } else { name }
    }
}

impl Disk for Disc {
    type Lock = <Folder as Disk>::Lock;

    fn place(&self) -> String {
        self.folder.place()
    }

    fn lock(&self) -> io::Result<Option<Self::Lock>> {
        self.folder.lock()
    }

    fn read(&self, name: &str, most: usize) -> io::Result<Option<Vec<u8>>> {
        self.folder.read(name, most)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.folder.write(self.place_of(name), bytes)
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        match self.fault {
            Some(StoreFault::RenamesUnsafe) => Ok(()),
            Some(StoreFault::InstallsAgain | StoreFault::WritesInPlace) | None => {
                self.folder.sync(self.place_of(name))
            }
        }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        match self.fault {
            Some(StoreFault::WritesInPlace) => Ok(()),
            Some(StoreFault::InstallsAgain | StoreFault::RenamesUnsafe) | None => {
                self.folder.rename(from, to)
            }
        }
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.folder.sync_folder()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.folder.remove(name)
    }
}

struct InMemory {
    store: Store<Disc>,
}

fn sound(_: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    Ok(())
}

/// What items change of a line.
fn keys(line: &LineSetup) -> Vec<(&'static str, Value)> {
    let numbers: Value = line.numbers.iter().map(String::as_str).collect();
    vec![("max-calls", i64::from(line.max_calls).into()), ("numbers", numbers)]
}

impl Installed for InMemory {
    fn folder(&self) -> Folder {
        self.store.disk().folder.clone()
    }

    fn on(&self, folder: Folder) -> Box<dyn Installed> {
        Box::new(Self { store: Store::new(Disc { folder, fault: self.store.disk().fault }) })
    }

    fn install(&self, lines: &[LineSetup]) -> Result<(), StoreError> {
        if self.store.disk().fault == Some(StoreFault::InstallsAgain) && self.store.read().is_ok() {
            self.store.remove()?;
        }
        let mut document = Document::new(ProviderId(1));
        for line in lines {
            document.add_line(&line.name, keys(line))?;
        }
        self.store.install(document, &sound)
    }

    fn configure(&self, lines: &[LineSetup]) -> Result<(), StoreError> {
        let edit = |document: &mut Document| {
            let known: Vec<String> = document.line_names().iter().map(|name| (*name).to_owned()).collect();
            for name in known.iter().filter(|name| !lines.iter().any(|line| line.name == **name)) {
                document.remove_line(name)?;
            }
            for line in lines {
                if known.contains(&line.name) {
                    let keys = keys(line).into_iter().map(|(key, value)| (key, Some(value))).collect();
                    document.change_line(&line.name, keys)?;
                } else {
                    document.add_line(&line.name, keys(line))?;
                }
            }
            Ok(())
        };
        self.store.configure(edit, &sound)
    }

    fn remove(&self) -> Result<(), StoreError> {
        self.store.remove()
    }

    fn lines(&self) -> Result<Vec<LineSetup>, StoreError> {
        self.store.tidy(&sound)?;
        let document = self.store.read()?;
        let line = |name: &&str| {
            let numbers = document.line_value(name, "numbers").and_then(Value::as_array);
            let number = |value: &Value| value.as_str().map(str::to_owned);
            LineSetup {
                numbers: numbers.into_iter().flatten().filter_map(number).collect(),
                max_calls: document
                    .line_value(name, "max-calls")
                    .and_then(Value::as_integer)
                    .and_then(|n| u32::try_from(n).ok())
                    .unwrap_or(1),
                ..LineSetup::new(name)
            }
        };
        Ok(document.line_names().iter().map(line).collect())
    }
}

/// An installation on an empty disk in memory.
pub(crate) fn stored(_kind: &'static str) -> Box<dyn Installed> {
    stored_with(None)
}

/// The same, broken.
pub fn stored_with(fault: Option<StoreFault>) -> Box<dyn Installed> {
    Box::new(InMemory { store: Store::new(Disc { folder: Folder::new(), fault }) })
}

fn found(error: StoreError) -> Finding {
    Finding(error.to_string())
}

/// A session of what is installed.
fn session(suite: &Suite<'_>, installed: &dyn Installed) -> Result<Bench, Finding> {
    let lines = installed.lines().map_err(found)?;
    Ok(suite.open(&Setup { lines, ..Setup::one() }))
}

fn pairs(suite: &Suite<'_>) -> Verdict {
    let installed = suite.installation();
    let desk = [LineSetup::new("desk")];
    let absent = |what: &str, result: Result<(), StoreError>| {
        ensure!(
            matches!(result, Err(StoreError::NotInstalled(_))),
            "{what} with nothing installed brings {result:?}"
        );
        Ok(())
    };
    absent("a session", installed.lines().map(drop))?;
    absent("a change", installed.configure(&desk))?;
    absent("a removal", installed.remove())?;
    ensure!(installed.folder().files().is_empty(), "refusals left something on the disk");
    installed.install(&desk).map_err(found)?;
    let mut bench = session(suite, &*installed)?;
    bench.answered(LINE, "ann")?;
    bench.finish()?;
    let again = installed.install(&[]);
    ensure!(matches!(again, Err(StoreError::AlreadyInstalled(_))), "a second install brings {again:?}");
    same!(installed.lines().map_err(found)?, desk, "the lines after a second install was refused");
    installed.remove().map_err(found)?;
    ensure!(installed.folder().files().is_empty(), "a removal left something on the disk");
    absent("a second removal", installed.remove())?;
    absent("a session", installed.lines().map(drop))
}

fn interrupted(suite: &Suite<'_>) -> Verdict {
    let lines = [LineSetup::new("desk"), LineSetup::new("door")];
    let whole = suite.installation();
    whole.install(&lines).map_err(found)?;
    let steps = whole.folder().steps();
    let longest = whole.folder().files().get(FILE).map_or(0, String::len);
    for step in 0..=steps {
        for torn in [0, 1, longest / 2, longest] {
            let folder = Folder::new();
            folder.stop_after(step, torn);
            let done = whole.on(folder.clone()).install(&lines).is_ok();
            for survivor in folder.survivors() {
                let after = whole.on(survivor.clone());
                match after.lines() {
                    Ok(read) => same!(read, lines, "what is installed after a stop at step {step}"),
                    Err(StoreError::NotInstalled(_)) => {
                        ensure!(!done, "an install that had succeeded is gone after a loss of power");
                        ensure!(survivor.files().is_empty(), "step {step} left {:?}", survivor.files());
                        after.install(&lines).map_err(found)?;
                    }
                    Err(error) => return Err(found(error)),
                }
            }
        }
    }
    let mut bench = session(suite, &*whole)?;
    bench.answered(LineId(1), "ann")?;
    bench.finish()
}

/// What applications see of a line's configuration.
fn seen(bench: &mut Bench) -> (Capabilities, Vec<String>, usize) {
    let lines = bench.provider().lines();
    let addresses = lines.iter().filter(|line| line.line == LINE).flat_map(|line| &line.addresses);
    let addresses = addresses.map(|address| address.uri.clone()).collect();
    (bench.able(LINE), addresses, lines.len())
}

fn next_session(suite: &Suite<'_>) -> Verdict {
    let installed = suite.installation();
    installed.install(&[LineSetup::new("desk")]).map_err(found)?;
    // By the command, and by another process that knows nothing of it.
    for by_hand in [false, true] {
        let mut bench = session(suite, &*installed)?;
        let before = seen(&mut bench);
        let other = LineSetup {
            max_calls: before.0.max_calls + 1,
            numbers: vec![format!("number{}", usize::from(by_hand))],
            ..LineSetup::new("desk")
        };
        if by_hand {
            let mut files = installed.folder().files();
            let text = files.remove(FILE).unwrap_or_default();
            let calls = format!("max-calls = {}", other.max_calls);
            let text = text.replace(&format!("max-calls = {}", before.0.max_calls), &calls);
            let text = text.replace("number0", "number1");
            let written = installed.folder().write(FILE, text.as_bytes());
            written.map_err(|error| Finding(error.to_string()))?;
        } else {
            installed.configure(std::slice::from_ref(&other)).map_err(found)?;
        }
        let lines = installed.lines().map_err(found)?;
        same!(lines.as_slice(), std::slice::from_ref(&other), "what is stored");
        bench.subject.configure(lines);
        bench.drain();
        bench.run(Duration::from_secs(5));
        let during = seen(&mut bench);
        ensure!(
            during == before,
            "a session shows {} calls at a time and {:?} when that is configured for the next",
            during.0.max_calls,
            during.1
        );
        let now = bench.now();
        bench.provider().shutdown(now);
        bench.drain();
        bench.run(Duration::from_secs(40));
        bench.subject.restart();
        bench.drain();
        bench.initialise();
        bench.open_line(LINE);
        let after = seen(&mut bench);
        same!(after.0.max_calls, other.max_calls, "calls at a time in the next session");
        ensure!(
            after.1.get(usize::from(AddressId(1).0)).is_some_and(|uri| uri.contains(&other.numbers[0])),
            "the addresses in the next session are {:?}",
            after.1
        );
        bench.finish()?;
    }
    Ok(())
}

fn told_once(suite: &Suite<'_>) -> Verdict {
    let installed = suite.installation();
    installed.install(&[LineSetup::new("desk")]).map_err(found)?;
    let mut bench = session(suite, &*installed)?;
    let other = LineSetup { max_calls: 3, ..LineSetup::new("desk") };
    installed.configure(std::slice::from_ref(&other)).map_err(found)?;
    let lines = installed.lines().map_err(found)?;
    bench.subject.configure(lines.clone());
    bench.drain();
    bench.run(Duration::from_secs(60));
    let told = |bench: &Bench| bench.count(|event| matches!(event, ProviderEvent::Reinitialise { .. }));
    same!(told(&bench), 1, "times that the change was told");
    bench.subject.configure(lines);
    bench.drain();
    bench.run(Duration::from_secs(1));
    same!(told(&bench), 1, "times that it was told after the same was stored again");
    bench.finish()
}

fn removed_in_use(suite: &Suite<'_>) -> Verdict {
    let installed = suite.installation();
    installed.install(&[LineSetup::new("desk")]).map_err(found)?;
    let mut bench = session(suite, &*installed)?;
    let (call, party) = bench.answered(LINE, "ann")?;
    installed.remove().map_err(found)?;
    bench.subject.uninstalled();
    bench.drain();
    bench.run(Duration::from_secs(5));
    same!(bench.kind(call), Some(StateKind::Connected), "the call after the removal");
    // The session goes on to its end: calls, requests, all of it.
    let (other, _) = bench.answered(LINE, "amy")?;
    same!(bench.kind(other), Some(StateKind::Connected), "a new call after the removal");
    bench.act(party, Act::HangUp(String::new()));
    ensure!(bench.reaches(call, StateKind::Disconnected), "the call does not end as it should");
    let after = installed.lines();
    ensure!(
        matches!(after, Err(StoreError::NotInstalled(_))),
        "a new session after the removal finds {after:?}"
    );
    bench.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::sip::Sip;
    use crate::conformance::subject::Subject;
    use crate::conformance::{Factory, Outcome};

    /// The SIP provider with a broken store.
    struct Broken(Option<StoreFault>);

    impl Factory for Broken {
        fn name(&self) -> &'static str {
            "broken"
        }

        fn subject(&self, setup: &Setup) -> Box<dyn Subject> {
            Sip.subject(setup)
        }

        fn installation(&self) -> Box<dyn Installed> {
            stored_with(self.0)
        }
    }

    #[test]
    fn a_broken_store_fails_its_item_and_no_other_does() {
        let faults = StoreFault::ALL.iter().copied().map(Some).chain([None]);
        for (fault, fails) in faults.map(|fault| (fault, fault.map(StoreFault::breaks))) {
            let factory = Broken(fault);
            let suite = Suite::new(&factory);
            for item in ITEMS {
                let outcome = suite.run(item);
                let expected = fails == Some(item.number);
                assert_eq!(
                    matches!(outcome, Outcome::Failed(_)),
                    expected,
                    "{fault:?} {}: {outcome:?}",
                    item.number
                );
            }
        }
    }
}
