//! baresip, as `tests/peers/baresip-up` starts it.

use crate::{DEADLINE, asterisk, free_port, root, script, until};
use std::path::PathBuf;

/// A running softphone that says a tone and answers by itself. Dropping it ends it.
pub struct Phone {
    name: String,
    sip: u16,
    said: usize,
}

impl Phone {
    /// Starts one; `settings` as `baresip-up` takes them.
    pub async fn start(name: &str, settings: &[&str]) -> Self {
        let (sip, control) = (free_port(), free_port());
        let rtp = free_port();
        let mut arguments = vec![
            name.to_owned(),
            format!("SIP_PORT={sip}"),
            format!("CONTROL_PORT={control}"),
            format!("RTP_PORTS={rtp}-{}", rtp + 9),
        ];
        arguments.extend(settings.iter().map(|setting| (*setting).to_owned()));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        // What it prints goes to its log: a pipe would stay open as long as it runs.
        let said = script("tests/peers/baresip-up", &arguments).await;
        assert!(said.done, "{}", said.errors);
        Self { name: name.to_owned(), sip, said: 0 }
    }

    /// Registered with Asterisk.
    pub async fn of_asterisk(name: &str, user: &str, tone: u16) -> Self {
        let registrar = format!("REGISTRAR={}", asterisk::registrar());
        Self::start(name, &[&registrar, &format!("USER={user}"), &format!("TONE={tone}")]).await
    }

    /// How to call it directly.
    pub fn uri(&self, user: &str) -> String {
        format!("sip:{user}@127.0.0.1:{}", self.sip)
    }

    fn folder(&self) -> PathBuf {
        root().join(format!("tests/out/baresip-{}", self.name))
    }

    /// Gives it a command.
    pub async fn tell(&self, command: &str, parameters: &str) {
        let said = script("tests/peers/baresip-do", &[&self.name, command, parameters]).await;
        assert!(said.done, "{command} {parameters}: {}{}", said.output, said.errors);
    }

    /// Waits until its log says `words` once more than it was waited for before.
    pub async fn says(&mut self, words: &str) {
        let log = self.folder().join("log");
        let begin = self.said;
        self.said = until(DEADLINE, &format!("baresip says {words:?}"), async || {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            let place = text.get(begin..)?.find(words)?;
            Some(begin + place + words.len())
        })
        .await;
    }

    /// What it has heard, newest last.
    pub fn heard(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(self.folder().join("recordings"))
            .map(|entries| entries.filter_map(Result::ok).map(|entry| entry.path()).collect())
            .unwrap_or_default();
        files.retain(|path| path.to_string_lossy().ends_with("-dec.wav"));
        files.sort();
        files
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        let _ = std::process::Command::new(root().join("tests/peers/baresip-down")).arg(&self.name).status();
    }
}
