//! What a store needs of a folder.

use std::io;

/// One folder. Names are plain file names, never paths. What was written is safe from a loss of power only after
/// [`sync`](Self::sync), and the names of files only after [`sync_folder`](Self::sync_folder).
pub trait Disk {
    /// Held by whoever changes the folder; given back when dropped, also by a process that is killed.
    type Lock;

    /// Where it is, for people.
    fn place(&self) -> String;

    /// The right to change the folder, which is made if it is not there; `None` if somebody else has it.
    ///
    /// # Errors
    /// The folder may not be written to.
    fn lock(&self) -> io::Result<Option<Self::Lock>>;

    /// A whole file; `None` if there is no such file, or no such folder.
    ///
    /// # Errors
    /// It cannot be read, or is longer than `most` octets.
    fn read(&self, name: &str, most: usize) -> io::Result<Option<Vec<u8>>>;

    /// Writes a file from its beginning, replacing what stood in it. Only its owner may read it.
    ///
    /// # Errors
    /// It cannot be written; any part of it may stand there then.
    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Returns when a file's content is safe.
    ///
    /// # Errors
    /// It cannot be made safe.
    fn sync(&self, name: &str) -> io::Result<()>;

    /// Gives a file another name, in one step; a file that had the name before is gone.
    ///
    /// # Errors
    /// It cannot be renamed; nothing has changed then.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Returns when the names of the files are safe.
    ///
    /// # Errors
    /// They cannot be made safe.
    fn sync_folder(&self) -> io::Result<()>;

    /// Removes a file. One that is not there is no error.
    ///
    /// # Errors
    /// It cannot be removed.
    fn remove(&self, name: &str) -> io::Result<()>;
}
