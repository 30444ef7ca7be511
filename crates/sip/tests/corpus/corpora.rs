//! Finding and reading corpora.

use bytes::Bytes;
use hookswitch_sip::message::{Limits, Message, Rejected};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// One line of a MANIFEST.tsv, with the file it is about.
pub(crate) struct Entry {
    pub(crate) file: String,
    pub(crate) columns: Vec<String>,
    pub(crate) bytes: Bytes,
}

impl Entry {
    pub(crate) fn column(&self, n: usize) -> &str {
        self.columns.get(n).map_or("", String::as_str)
    }

    pub(crate) fn parse(&self) -> Result<Message, Rejected> {
        Message::parse(self.bytes.clone(), &Limits::default())
    }
}

/// Our own corpus.
pub(crate) fn ours() -> Vec<Entry> {
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data"), "")
}

/// The corpus of RFC 4475, if it is there.
pub(crate) fn rfc4475() -> Option<Vec<Entry>> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let folder = std::env::var("HOOKSWITCH_CORPUS").map_or(beside, PathBuf::from);
    if !folder.join("MANIFEST.tsv").exists() {
        eprintln!("SKIPPED: no RFC 4475 corpus at {} (set HOOKSWITCH_CORPUS)", folder.display());
        return None;
    }
    Some(read(&folder, "rfc4475"))
}

/// Everything that is there.
pub(crate) fn all() -> Vec<Entry> {
    let mut entries = ours();
    entries.extend(rfc4475().unwrap_or_default());
    entries
}

/// Reads a manifest; every file in `part` of the folder must have a line, every line a file.
fn read(folder: &Path, part: &str) -> Vec<Entry> {
    let manifest = folder.join("MANIFEST.tsv");
    let text = std::fs::read_to_string(&manifest).unwrap_or_else(|e| panic!("{}: {e}", manifest.display()));
    let entries: Vec<Entry> = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| {
            let mut columns = line.split('\t').map(str::to_owned);
            let file = columns.next().unwrap_or_default();
            let path = folder.join(&file);
            let bytes =
                std::fs::read(&path).unwrap_or_else(|e| panic!("stale line: {}: {e}", path.display()));
            Entry { file, columns: columns.collect(), bytes: bytes.into() }
        })
        .collect();
    let listed: BTreeSet<_> = entries.iter().map(|entry| folder.join(&entry.file)).collect();
    assert_eq!(listed.len(), entries.len(), "a file has two lines in {}", manifest.display());
    for file in std::fs::read_dir(folder.join(part)).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = file.unwrap_or_else(|e| panic!("{e}")).path();
        let is_message = path.extension().is_some_and(|extension| extension == "dat");
        assert!(!is_message || listed.contains(&path), "no verdict for {}", path.display());
    }
    entries
}
