//! What several commands begin and end with: logs, the configuration, the service.

use crate::args::Sockets;
use crate::failure::Failure;
use hookswitch::Service;
use hookswitch::config::Config;
use std::path::Path;
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

/// Reads the configuration; sockets of the command line take the place of its own.
pub(crate) fn config(path: Option<&Path>, sockets: &Sockets) -> Result<Config, Failure> {
    let mut config = Config::load(path.unwrap_or(DEFAULT_CONFIG.as_ref()))?;
    if config.lines.is_empty() {
        let path = path.unwrap_or(DEFAULT_CONFIG.as_ref()).display();
        return Err(Failure::Usage(format!(
            "{path}: there is no [[line]] in it; `hookswitch check --example` shows how one looks"
        )));
    }
    if !sockets.listen.is_empty() {
        config.sip.listen.clone_from(&sockets.listen);
    }
    Ok(config)
}

/// Hangs up, un-registers and ends.
pub(crate) async fn farewell(service: Service) {
    service.shutdown(FAREWELL).await;
}
