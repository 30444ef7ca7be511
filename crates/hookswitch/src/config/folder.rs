//! A real folder for a store.

use hookswitch_store::Disk;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often, and with what pauses, a lock that somebody holds is tried. A change takes a few milliseconds.
const TRIES: u32 = 150;
const PAUSE: Duration = Duration::from_millis(20);

/// A folder of the file system. It is made when something is installed, for its owner only.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder at this path, whether it is there or not.
    pub(super) fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Disk for Folder {
    type Lock = Lock;

    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn lock(&self) -> io::Result<Option<Lock>> {
        make(&self.path)?;
        for attempt in 0..TRIES {
            if attempt > 0 {
                // Whoever holds it needs a few milliseconds; nobody waits on this thread for anything else.
                std::thread::sleep(PAUSE);
            }
            if let Some(lock) = Lock::try_on(&self.path)? {
                return Ok(Some(lock));
            }
        }
        Ok(None)
    }

    fn read(&self, name: &str, most: usize) -> io::Result<Option<Vec<u8>>> {
        let file = match File::open(self.file(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        // One octet more tells a file of the greatest length from a longer one.
        file.take(most as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > most {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("{name} is longer than {most} octets"),
            ));
        }
        Ok(Some(bytes))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        // A file of its own in any case: a link that somebody has put there is not followed, and its mode is ours.
        self.remove(name)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(self.file(name))?.write_all(bytes)
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        OpenOptions::new().write(true).open(self.file(name))?.sync_all()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.file(from), self.file(to))
    }

    #[cfg(unix)]
    fn sync_folder(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    /// Elsewhere a folder cannot be opened, and the file system sees to its names.
    #[cfg(not(unix))]
    fn sync_folder(&self) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match std::fs::remove_file(self.file(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }
}

/// Makes a folder, for its owner only, and what it stands in.
fn make(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// The right to change a [`Folder`]. On Unix the folder itself is locked, so that nothing is left behind.
#[cfg(unix)]
#[derive(Debug)]
pub(super) struct Lock {
    /// Closing it gives the lock back, also when the process is killed.
    _folder: File,
}

#[cfg(unix)]
impl Lock {
    fn try_on(path: &Path) -> io::Result<Option<Self>> {
        use rustix::fs::{FlockOperation, flock};
        let folder = File::open(path)?;
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { _folder: folder })),
            Err(error) if error == rustix::io::Errno::WOULDBLOCK => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// The right to change a [`Folder`]: a file that nobody else can make meanwhile.
#[cfg(not(unix))]
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
}

#[cfg(not(unix))]
impl Lock {
    fn try_on(path: &Path) -> io::Result<Option<Self>> {
        let path = path.join("provider.lock");
        match File::create_new(&path) {
            Ok(_) => Ok(Some(Self { path })),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(not(unix))]
impl Drop for Lock {
    fn drop(&mut self) {
        // If it stays, the next command says what to do.
        let _ = std::fs::remove_file(&self.path);
    }
}
