//! Install, configure, remove: each all or nothing.
//!
//! A change is written to a second file, made safe, and takes the first one's name in one step; the lock is held from the
//! reading of the old content on, so that no change is lost. What an interrupted change leaves behind is the second file,
//! which nobody reads and the next change removes.

use crate::{Disk, Document, StoreError};
use std::error::Error;
use std::io;

/// The name of the file.
pub const FILE: &str = "provider.toml";
/// A change that is not complete.
const NEXT: &str = "provider.toml.new";
/// The longest file taken: room for some ten thousand lines.
const LONGEST: usize = 4 << 20;

/// A check of the whole text by somebody who knows what it means.
pub type Check<'a> = &'a dyn Fn(&str) -> Result<(), Box<dyn Error + Send + Sync>>;

/// The store of one installation.
#[derive(Clone, Debug)]
pub struct Store<D> {
    disk: D,
}

impl<D: Disk> Store<D> {
    /// The store in this folder, whether anything is installed there or not.
    pub const fn new(disk: D) -> Self {
        Self { disk }
    }

    /// The folder.
    pub const fn disk(&self) -> &D {
        &self.disk
    }

    /// The text as it stands, unchecked; `None` if nothing is installed.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn text(&self) -> Result<Option<String>, StoreError> {
        let bytes = self.step("reading", |disk| disk.read(FILE, LONGEST))?;
        bytes.map(String::from_utf8).transpose().map_err(|_| StoreError::NoText(self.disk.place()))
    }

    /// What is installed.
    ///
    /// # Errors
    /// Nothing is, or the file is wrong.
    pub fn read(&self) -> Result<Document, StoreError> {
        let text = self.text()?.ok_or_else(|| StoreError::NotInstalled(self.disk.place()))?;
        Document::parse(&text).map_err(StoreError::Invalid)
    }

    /// Installs. Complete or not at all.
    ///
    /// # Errors
    /// Something is installed already, the content is not sound, or the disk failed.
    pub fn install(&self, mut document: Document, check: Check<'_>) -> Result<(), StoreError> {
        let _held = self.lock()?;
        if self.step("reading", |disk| disk.read(FILE, LONGEST))?.is_some() {
            return Err(StoreError::AlreadyInstalled(self.disk.place()));
        }
        document.number_lines();
        self.replace(&document, check)
    }

    /// Edits what is installed: the next session reads it. Complete or not at all; concurrent edits come one after another.
    ///
    /// # Errors
    /// Nothing is installed, the file or the result is not sound, the edit cannot be made, or the disk failed.
    pub fn configure<T>(
        &self,
        edit: impl FnOnce(&mut Document) -> Result<T, StoreError>,
        check: Check<'_>,
    ) -> Result<T, StoreError> {
        // Said before a folder is made to be locked.
        self.read()?;
        let _held = self.lock()?;
        let mut document = self.read()?;
        let before = document.text();
        let done = edit(&mut document)?;
        document.number_lines();
        if document.text() != before {
            document.next_serial();
            self.replace(&document, check)?;
        }
        Ok(done)
    }

    /// Removes. Complete or not at all. What was read before is not affected: a session goes on to its end.
    ///
    /// # Errors
    /// Nothing is installed, or the disk failed.
    pub fn remove(&self) -> Result<(), StoreError> {
        if self.step("reading", |disk| disk.read(FILE, LONGEST).map_or_else(too_long_is_there, Ok))?.is_none()
        {
            return Err(StoreError::NotInstalled(self.disk.place()));
        }
        let _held = self.lock()?;
        self.step("removing an incomplete change", |disk| disk.remove(NEXT))?;
        self.step("removing", |disk| disk.remove(FILE))?;
        self.step("making the folder safe", Disk::sync_folder)
    }

    /// Brings the store into order: removes what an interrupted change has left, if that can be done, and numbers lines that were
    /// added by hand. True if something was changed.
    ///
    /// # Errors
    /// As [`configure`](Self::configure).
    pub fn tidy(&self, check: Check<'_>) -> Result<bool, StoreError> {
        let left =
            self.step("reading", |disk| disk.read(NEXT, 0).map_or_else(too_long_is_there, Ok))?.is_some();
        let unnumbered = match self.text()? {
            Some(text) => Document::parse(&text).map_err(StoreError::Invalid)?.has_unnumbered_lines(),
            None => false,
        };
        if unnumbered {
            let _held = self.lock()?;
            let mut document = self.read()?;
            document.number_lines();
            document.next_serial();
            self.replace(&document, check)?;
            return Ok(true);
        }
        // What is left may be a change that somebody is making; and whoever only reads need not be able to remove it.
        let cleaned = left && self.lock().is_ok_and(|_held| self.disk.remove(NEXT).is_ok());
        Ok(cleaned)
    }

    /// Writes the whole file anew. The lock is held.
    fn replace(&self, document: &Document, check: Check<'_>) -> Result<(), StoreError> {
        let text = document.text();
        // What was edited is read as the next session will read it.
        Document::parse(&text).map_err(StoreError::Invalid)?;
        check(&text).map_err(StoreError::Rejected)?;
        if text.len() > LONGEST {
            return Err(StoreError::TooLong(LONGEST));
        }
        let written = self
            .step("writing", |disk| disk.write(NEXT, text.as_bytes()))
            .and_then(|()| self.step("making it safe", |disk| disk.sync(NEXT)))
            .and_then(|()| self.step("renaming", |disk| disk.rename(NEXT, FILE)));
        if written.is_err() {
            // If that fails too, the next change does it.
            let _ = self.disk.remove(NEXT);
        }
        written?;
        self.step("making the folder safe", Disk::sync_folder)
    }

    fn lock(&self) -> Result<D::Lock, StoreError> {
        self.step("locking", Disk::lock)?.ok_or_else(|| StoreError::Busy(self.disk.place()))
    }

    fn step<T>(&self, step: &'static str, act: impl FnOnce(&D) -> io::Result<T>) -> Result<T, StoreError> {
        act(&self.disk).map_err(|error| StoreError::Disk { place: self.disk.place(), step, error })
    }
}

/// A file that is longer than one wanted to read is there.
fn too_long_is_there(error: io::Error) -> io::Result<Option<Vec<u8>>> {
    if error.kind() == io::ErrorKind::FileTooLarge { Ok(Some(Vec::new())) } else { Err(error) }
}
