//! What several commands begin and end with: logs, the configuration, the service.

use crate::args::Sockets;
use crate::failure::Failure;
use hookswitch::Service;
use hookswitch::config::{Config, Installation, Listen};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The configuration file where none is named.
pub(crate) const DEFAULT_CONFIG: &str = "hookswitch.toml";
/// How long ending may take, whatever the network does.
pub(crate) const FAREWELL: Duration = Duration::from_secs(5);

/// Logs go to standard error, so that output can be piped.
pub(crate) fn logs(verbose: u8) {
    use tracing_subscriber::filter::LevelFilter;
    let level = match verbose {
        0 => LevelFilter::ERROR,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).init();
}

/// Where lines come from, as the command line says.
#[derive(Debug)]
pub(crate) struct Source {
    file: Option<PathBuf>,
    store: Option<PathBuf>,
}

/// Lines that are ready to run.
#[derive(Debug)]
pub(crate) struct Lines {
    pub(crate) config: Config,
    /// Where they are installed, if they are.
    installation: Option<Installation>,
    sockets: Vec<Listen>,
}

impl Source {
    pub(crate) const fn new(file: Option<PathBuf>, store: Option<PathBuf>) -> Self {
        Self { file, store }
    }

    /// The configuration file, if one is named.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The folder of the installed provider, if one is named.
    pub(crate) fn store(&self) -> Option<&Path> {
        self.store.as_deref()
    }

    /// The installed provider, whether it is there or not.
    pub(crate) fn installation(&self) -> Installation {
        Installation::at(self.store.clone().unwrap_or_else(Installation::default_folder))
    }

    /// The configuration file to read: the one that is named, else the one that lies here.
    fn file_to_read(&self) -> Option<PathBuf> {
        match (&self.file, &self.store) {
            (Some(file), _) => Some(file.clone()),
            (None, Some(_)) => None,
            (None, None) => Path::new(DEFAULT_CONFIG).exists().then(|| PathBuf::from(DEFAULT_CONFIG)),
        }
    }

    /// What is configured, in a file or in the store, for those who can do without. What was named has to be there.
    pub(crate) fn configuration(&self) -> Result<Option<Config>, Failure> {
        let installation = self.installation();
        match self.file_to_read() {
            Some(file) => Ok(Some(Config::load(&file)?)),
            None if self.store.is_some() || installation.is_installed() => {
                Ok(Some(installation.read_without_passwords()?))
            }
            None => Ok(None),
        }
    }

    /// Reads the lines; sockets of the command line take the place of the configured ones.
    pub(crate) fn lines(&self, sockets: &Sockets) -> Result<Lines, Failure> {
        let installation = self.installation();
        let (config, installation, place, hint) = match self.file_to_read() {
            Some(file) => {
                let hint = "there is no [[line]] in it; `hookswitch check --example` shows how one looks";
                (Config::load(&file)?, None, file, hint)
            }
            None if self.store.is_none() && !installation.is_installed() => {
                return Err(Failure::Usage(format!(
                    "there is neither a {DEFAULT_CONFIG} here nor an installed provider in {}; `hookswitch provider install` \
                     makes the one, `hookswitch check --example > {DEFAULT_CONFIG}` the other",
                    installation.path().parent().unwrap_or(Path::new("")).display()
                )));
            }
            None => {
                let place = installation.path().to_owned();
                let hint = "it has no lines yet; `hookswitch provider config add-line` adds one";
                (installation.read()?, Some(installation), place, hint)
            }
        };
        if config.lines.is_empty() {
            return Err(Failure::Usage(format!("{}: {hint}", place.display())));
        }
        Ok(Lines { config, installation, sockets: sockets.listen.clone() })
    }
}

impl Lines {
    /// Opens the sockets and starts the threads.
    pub(crate) fn start(self) -> Result<Service, Failure> {
        let Self { mut config, installation, sockets } = self;
        let adjust = |config: &mut Config| {
            if !sockets.is_empty() {
                config.sip.listen = sockets;
            }
        };
        match installation {
            None => {
                adjust(&mut config);
                Ok(Service::start(config)?)
            }
            Some(installation) => Ok(Service::start_installed(&installation, adjust)?),
        }
    }
}

/// Hangs up, un-registers and ends.
pub(crate) async fn farewell(service: Service) {
    service.shutdown(FAREWELL).await;
}
