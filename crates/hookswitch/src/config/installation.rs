//! An installed provider: its store, and what the store's content means.

use super::error::{ConfigError, Origin};
use super::folder::Folder;
use super::{Config, Document, ProviderId, StoreError};
use hookswitch_store::{FILE, Store, absolute_paths};
use std::error::Error;
use std::path::{Path, PathBuf};

/// Why something asked of an installation was not done. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallationError {
    /// Installed or not, taken, or the disk failed.
    #[error("{0}")]
    Store(StoreError),
    /// The file is wrong.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The change would make it wrong.
    #[error("nothing was changed: {0}")]
    Rejected(String),
    /// The operating system gave no random numbers.
    #[error("{0}")]
    Entropy(#[from] hookswitch_runtime::entropy::NoEntropy),
}

/// A provider that is, or can be, installed in a folder (TSPI: TUISPI_providerInstall, Config, Remove). Sessions begin with
/// [`Service::start_installed`](crate::Service::start_installed).
#[derive(Clone, Debug)]
pub struct Installation {
    store: Store<Folder>,
    path: PathBuf,
}

impl Installation {
    /// The installation in this folder.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        let path = folder.join(FILE);
        Self { store: Store::new(Folder::at(folder)), path }
    }

    /// Where this user's installation is unless said otherwise: `/etc/hookswitch` for root, else `hookswitch` in
    /// `$XDG_CONFIG_HOME`, which is `~/.config` unless set (`%APPDATA%` on Windows).
    pub fn default_folder() -> PathBuf {
        #[cfg(unix)]
        if rustix::process::geteuid().is_root() {
            return PathBuf::from("/etc/hookswitch");
        }
        let absolute =
            |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        absolute("XDG_CONFIG_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".config")))
            .or_else(|| absolute("APPDATA"))
            .unwrap_or_default()
            .join("hookswitch")
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether something is installed. A file that cannot be read counts: reading it says what is wrong.
    pub fn is_installed(&self) -> bool {
        !matches!(self.store.text(), Ok(None))
    }

    /// Installs without lines, or with the content of a configuration file, whose relative paths go on leading where they led.
    ///
    /// # Errors
    /// Something is installed already, the file is wrong, or the disk failed.
    pub fn install(&self, from: Option<&Path>) -> Result<Config, InstallationError> {
        let provider = ProviderId(hookswitch_runtime::entropy::from_system()?.identifiers.next_u64());
        let document = match from {
            None => Document::new(provider),
            Some(path) => {
                let text =
                    std::fs::read_to_string(path).map_err(|error| ConfigError::unreadable(path, &error))?;
                // What is wrong is said of the file that was given, with its lines.
                let origin = Origin { path, text: &text, is_store: false, with_passwords: false };
                Config::read(origin)?;
                let whole =
                    std::path::absolute(path).map_err(|error| ConfigError::unreadable(path, &error))?;
                let folder = whole.parent().unwrap_or_else(|| Path::new("/"));
                let fault = |fault| {
                    ConfigError::fault(
                        &Origin { path, text: &text, is_store: false, with_passwords: true },
                        &fault,
                    )
                };
                let moved = absolute_paths(&text, &folder.display().to_string()).map_err(fault)?;
                Document::import(&moved, provider).map_err(fault)?
            }
        };
        self.store.install(document, &self.check()).map_err(|error| self.explained(error))?;
        self.read()
    }

    /// What is installed, checked. Puts the store in order first: what an interrupted change has left is removed, and lines added
    /// by hand get their numbers.
    ///
    /// # Errors
    /// Nothing is installed, or the file is wrong.
    pub fn read(&self) -> Result<Config, InstallationError> {
        self.read_with_text(true).map(|(config, _)| config)
    }

    /// As [`read`](Self::read), but passwords that stand in other files or in the environment are left empty: for those who only
    /// look.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_without_passwords(&self) -> Result<Config, InstallationError> {
        self.read_with_text(false).map(|(config, _)| config)
    }

    pub(crate) fn read_with_text(&self, with_passwords: bool) -> Result<(Config, String), InstallationError> {
        let tidied = self.store.tidy(&self.check());
        let Some(text) = self.text()? else {
            let place = hookswitch_store::Disk::place(self.store.disk());
            return Err(InstallationError::Store(StoreError::NotInstalled(place)));
        };
        // A mistake is best explained in the file as it stands.
        let config = Config::parse_stored(&text, &self.path, with_passwords);
        match tidied {
            Ok(_) => Ok((config?, text)),
            Err(error) => Err(config.map_or_else(InstallationError::Config, |_| self.explained(error))),
        }
    }

    /// The file as it stands, unchecked.
    pub(crate) fn text(&self) -> Result<Option<String>, InstallationError> {
        self.store.text().map_err(InstallationError::Store)
    }

    /// Edits what is installed. Running sessions notice by themselves.
    ///
    /// # Errors
    /// Nothing is installed, the edit cannot be made, or the result would be wrong.
    pub fn configure<T>(
        &self,
        edit: impl FnOnce(&mut Document) -> Result<T, StoreError>,
    ) -> Result<T, InstallationError> {
        // What is wrong already is explained as such.
        self.read_without_passwords()?;
        self.store.configure(edit, &self.check()).map_err(|error| self.explained(error))
    }

    /// Removes the installation. Sessions that run go on with what they have read until they end.
    ///
    /// # Errors
    /// Nothing is installed, or the disk failed.
    pub fn remove(&self) -> Result<(), InstallationError> {
        self.store.remove().map_err(InstallationError::Store)
    }

    fn check(&self) -> impl Fn(&str) -> Result<(), Box<dyn Error + Send + Sync>> {
        |text| Ok(Config::parse_stored(text, &self.path, false).map(drop)?)
    }

    /// A store's error with the file, line and key where they are known.
    fn explained(&self, error: StoreError) -> InstallationError {
        match error {
            StoreError::Invalid(fault) => {
                let text = self.store.text().ok().flatten().unwrap_or_default();
                let origin = Origin { path: &self.path, text: &text, is_store: true, with_passwords: false };
                ConfigError::fault(&origin, &fault).into()
            }
            StoreError::Rejected(error) => match error.downcast::<ConfigError>() {
                Ok(error) => InstallationError::Rejected(error.without_place()),
                Err(error) => InstallationError::Rejected(error.to_string()),
            },
            other => InstallationError::Store(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installation(name: &str) -> Installation {
        let folder = std::env::temp_dir().join(format!("hookswitch-{name}-{}", std::process::id()));
        // From a run that was interrupted.
        let _ = std::fs::remove_dir_all(&folder);
        Installation::at(folder)
    }

    fn add(installation: &Installation, name: &str) -> Result<u32, InstallationError> {
        installation.configure(|document| {
            let keys = vec![
                ("registrar", "192.0.2.1".into()),
                ("user", "1001".into()),
                ("password", "secret".into()),
            ];
            Ok(document.add_line(name, keys)?.0)
        })
    }

    #[test]
    fn an_installation_lives_from_install_to_remove() {
        let installation = installation("life");
        assert!(!installation.is_installed());
        assert!(matches!(installation.read(), Err(InstallationError::Store(StoreError::NotInstalled(_)))));
        installation.install(None).unwrap_or_else(|error| panic!("{error}"));
        assert!(installation.is_installed());
        assert!(matches!(
            installation.install(None),
            Err(InstallationError::Store(StoreError::AlreadyInstalled(_)))
        ));
        assert_eq!(add(&installation, "desk").ok(), Some(1));
        let config = installation.read().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(config.default_line(), Some("desk"));
        assert_eq!(
            config.installed.map(|known| (known.lines, known.serial)),
            Some((vec![super::super::LineNumber(1)], 2))
        );
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let mode = std::fs::metadata(installation.path()).map(|file| file.mode() & 0o777).ok();
            assert_eq!(mode, Some(0o600), "passwords stand in it");
        }
        installation.remove().unwrap_or_else(|error| panic!("{error}"));
        let left =
            std::fs::read_dir(installation.path().parent().unwrap_or(Path::new(""))).map(Iterator::count);
        assert_eq!(left.ok(), Some(0));
    }

    #[test]
    fn a_change_that_makes_no_sense_is_refused_with_key_and_expectation() {
        let installation = installation("refused");
        installation.install(None).unwrap_or_else(|error| panic!("{error}"));
        add(&installation, "desk").unwrap_or_else(|error| panic!("{error}"));
        let before = std::fs::read_to_string(installation.path()).ok();
        let wrong = installation
            .configure(|document| Ok(document.change_line("desk", vec![("max-calls", Some(0.into()))])?));
        let message = wrong.map_or_else(|error| error.to_string(), |()| String::new());
        assert_eq!(message, "nothing was changed: max-calls: expected 1 to 100000, not 0");
        assert_eq!(std::fs::read_to_string(installation.path()).ok(), before);
    }

    #[test]
    fn a_file_edited_by_hand_is_used_or_explained() {
        let installation = installation("hand");
        installation.install(None).unwrap_or_else(|error| panic!("{error}"));
        let text = std::fs::read_to_string(installation.path()).unwrap_or_default();
        let write = |more: &str| {
            std::fs::write(installation.path(), format!("{text}{more}"))
                .unwrap_or_else(|error| panic!("{error}"))
        };
        write("\n[[line]]\nname = 'desk'\nregistrar = 'h'\nuser = 'u'\n");
        let config = installation.read().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(config.installed.map(|known| known.lines.len()), Some(1));
        for (more, part) in [
            ("\n[[line]]\nname = 'desk'\nregistrar = 'h'\n", "user"),
            ("\n[[line]]\nname = 'desk'\nregistrar = 'h'\nuser = 'u'\npasword = 'x'\n", "pasword"),
            ("\n[[line]]\nid = 77\nname = 'desk'\nregistrar = 'h'\nuser = 'u'\n", "line.id"),
            ("\n[media\n", "expected"),
        ] {
            write(more);
            let message = installation.read().map_or_else(|error| error.to_string(), |_| String::new());
            let place = format!("{}:", installation.path().display());
            assert!(
                message.starts_with(&place) && message.contains(part) && message.contains(" | "),
                "{message}"
            );
        }
    }
}
