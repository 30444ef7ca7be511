//! Killed at every step, with every torn write, before and after a loss of power: all or nothing.

use hookswitch_store::memory::Folder;
use hookswitch_store::{Disk, Document, FILE, ProviderId, Store, StoreError, Value};
use std::error::Error;

const PROVIDER: ProviderId = ProviderId(0x00c5_a2d1_f3b4_4e07);

fn sound(_: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    Ok(())
}

fn installed() -> Folder {
    let folder = Folder::new();
    let store = Store::new(folder.clone());
    let mut document = Document::new(PROVIDER);
    document.add_line("desk", vec![("user", Value::from("1001"))]).expect("a free name");
    store.install(document, &sound).expect("installed");
    folder
}

type Act = fn(&Store<Folder>) -> Result<(), StoreError>;

fn install(store: &Store<Folder>) -> Result<(), StoreError> {
    let mut document = Document::new(PROVIDER);
    document.add_line("front", vec![("user", Value::from("1000"))])?;
    store.install(document, &sound)
}

fn configure(store: &Store<Folder>) -> Result<(), StoreError> {
    store.configure(
        |document| {
            document.add_line("lab", vec![("user", Value::from("1002"))])?;
            document.remove_line("desk")?;
            Ok(())
        },
        &sound,
    )
}

fn remove(store: &Store<Folder>) -> Result<(), StoreError> {
    store.remove()
}

/// What is installed, as text.
fn content(folder: &Folder) -> Option<String> {
    folder.files().get(FILE).cloned()
}

/// Kills `act` at every step and looks at everything that may be found afterwards.
fn killed_at_every_step(before: &Folder, act: Act) {
    let done = before.copy();
    let begun = done.steps();
    act(&Store::new(done.clone())).expect("it can be done");
    let (old, new) = (content(before), content(&done));
    assert_ne!(old, new);
    let steps = done.steps() - begun;
    assert!(steps >= 2, "{steps}");
    let longest = new.as_deref().or(old.as_deref()).map_or(0, str::len);
    for step in 0..=steps {
        for torn in [0, 1, longest / 2, longest.saturating_sub(1), longest] {
            let folder = before.copy();
            folder.stop_after(step, torn);
            let result = act(&Store::new(folder.clone()));
            assert_eq!(result.is_ok(), step == steps, "step {step}: {result:?}");
            for survivor in folder.survivors() {
                let found = content(&survivor);
                assert!(found == old || found == new, "step {step}, {torn} octets: {found:?}");
                if result.is_ok() {
                    assert_eq!(found, new, "it was said to be done");
                }
                goes_on(&survivor, found == new, act);
            }
        }
    }
}

/// Whoever comes after can read, tidy, and do what was not done.
fn goes_on(survivor: &Folder, was_done: bool, act: Act) {
    let store = Store::new(survivor.clone());
    store.tidy(&sound).expect("order");
    assert!(survivor.files().keys().all(|name| name == FILE), "{:?}", survivor.files());
    match store.read() {
        Ok(document) => assert_eq!(document.provider(), PROVIDER),
        Err(error) => assert!(matches!(error, StoreError::NotInstalled(_)), "{error}"),
    }
    if !was_done {
        act(&store).expect("it can be done again");
    }
    assert!(survivor.files().keys().all(|name| name == FILE), "{:?}", survivor.files());
}

#[test]
fn an_install_is_complete_or_nothing_is_left() {
    killed_at_every_step(&Folder::new(), install);
}

#[test]
fn a_change_is_complete_or_has_not_happened() {
    killed_at_every_step(&installed(), configure);
}

#[test]
fn a_removal_is_complete_or_has_not_happened() {
    killed_at_every_step(&installed(), remove);
}

#[test]
fn a_disk_that_fails_once_leaves_nothing_half_done() {
    for (before, act) in [(Folder::new(), install as Act), (installed(), configure), (installed(), remove)] {
        let old = content(&before);
        for step in 0..10 {
            let folder = before.copy();
            folder.fail_after(step, 10);
            let result = act(&Store::new(folder.clone()));
            match (&result, content(&folder)) {
                (Ok(()), found) => assert_ne!(found, old),
                // Only making the folder safe can fail after the change.
                (Err(StoreError::Disk { step, .. }), found) => {
                    assert!(found == old || *step == "making the folder safe", "{step}: {found:?}");
                }
                (Err(other), _) => panic!("expected the disk's failure, got {other}"),
            }
            assert!(folder.files().keys().all(|name| name == FILE), "{:?}", folder.files());
        }
    }
}

#[test]
fn install_and_remove_come_in_pairs() {
    let store = Store::new(Folder::new());
    for act in [remove, configure] {
        assert!(matches!(act(&store), Err(StoreError::NotInstalled(_))));
    }
    assert!(matches!(store.read(), Err(StoreError::NotInstalled(_))));
    install(&store).expect("installed");
    let before = content(store.disk());
    assert!(matches!(install(&store), Err(StoreError::AlreadyInstalled(_))));
    assert_eq!(content(store.disk()), before);
    remove(&store).expect("removed");
    assert!(store.disk().files().is_empty());
    assert!(matches!(remove(&store), Err(StoreError::NotInstalled(_))));
    install(&store).expect("installed again");
}

#[test]
fn whoever_changes_the_store_keeps_others_out_until_it_is_done() {
    let folder = installed();
    let store = Store::new(folder.clone());
    let before = content(&folder);
    let held = folder.lock().expect("a lock").expect("it is free");
    for act in [configure, remove] {
        assert!(matches!(act(&store), Err(StoreError::Busy(_))));
    }
    assert_eq!(content(&folder), before);
    drop(held);
    configure(&store).expect("changed");
}

#[test]
fn whoever_only_reads_is_not_in_the_way_of_a_change() {
    let folder = installed();
    folder.write("provider.toml.new", b"half").expect("written");
    let store = Store::new(folder.clone());
    let held = folder.lock().expect("a lock").expect("it is free");
    assert_eq!(store.tidy(&sound).ok(), Some(false));
    assert!(store.read().is_ok());
    assert_eq!(folder.files().len(), 2, "somebody is making a change");
    drop(held);
    assert_eq!(store.tidy(&sound).ok(), Some(true));
    assert_eq!(folder.files().len(), 1);
}

#[test]
fn what_would_be_too_long_to_be_read_is_not_written() {
    let store = Store::new(installed());
    let before = content(store.disk());
    let long = "x".repeat(5 << 20);
    let refused = store.configure(|document| Ok(document.set("sip.user-agent", Some(long.into()))?), &sound);
    assert!(matches!(refused, Err(StoreError::TooLong(_))));
    assert_eq!(content(store.disk()), before);
}

#[test]
fn changes_of_many_threads_are_all_there_and_no_number_is_given_twice() {
    let folder = installed();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = Store::new(folder.clone());
            scope.spawn(move || {
                for n in 0..10 {
                    let name = format!("line {thread}-{n}");
                    let add =
                        || store.configure(|document| Ok(document.add_line(&name, Vec::new())?), &sound);
                    while let Err(error) = add() {
                        assert!(matches!(error, StoreError::Busy(_)), "{error}");
                    }
                }
            });
        }
    });
    let document = Store::new(folder).read().expect("sound");
    assert_eq!((document.line_names().len(), document.next_line().0, document.serial()), (41, 42, 41));
}

#[test]
fn what_the_check_refuses_is_not_written() {
    let folder = installed();
    let store = Store::new(folder.clone());
    let before = folder.files();
    let refused = store.configure(|document| Ok(document.add_line("x", Vec::new())?), &|_| Err("no".into()));
    assert!(matches!(refused, Err(StoreError::Rejected(_))));
    assert_eq!(folder.files(), before);
    let nothing = store.configure(|_| Ok(()), &|_| Err("not asked".into()));
    assert!(nothing.is_ok(), "nothing changed, nothing is written");
    assert_eq!(folder.files(), before);
}

#[test]
fn lines_added_by_hand_are_numbered_when_somebody_looks() {
    let text = installed().files().remove(FILE).expect("a file");
    let folder = Folder::with(FILE, &format!("{text}\n# mine\n[[line]]\nname = \"hand\"\n"));
    let store = Store::new(folder.clone());
    assert_eq!(store.tidy(&sound).ok(), Some(true));
    let document = store.read().expect("sound");
    assert!(!document.has_unnumbered_lines() && document.next_line().0 == 3 && document.serial() == 2);
    assert!(document.text().contains("# mine\n[[line]]\nname = \"hand\"\nid = 2\n"), "{}", document.text());
    assert_eq!(store.tidy(&sound).ok(), Some(false));
}
