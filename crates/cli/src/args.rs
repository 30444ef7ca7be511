//! What can be typed.

use crate::provider::Provider;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use hookswitch::config::Listen;
use hookswitch::{Audio, CallLink, RejectReason};
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "\
Try it, with nothing else needed:
  hookswitch demo

Begin with a configuration of your own:
  hookswitch check --example > hookswitch.toml
  hookswitch check
  hookswitch softswitch                      in one terminal
  hookswitch listen 1002 --tone 440          in another
  hookswitch call 1001 1002 --duration 5     in a third

Or install the provider, so that its lines are there from everywhere:
  hookswitch provider install
  hookswitch provider config add-line desk --registrar pbx.example.org --user 1001 --password-stdin < secret
  hookswitch dial tel:+33123456789

Lines come from --config FILE, or --store DIR; else from ./hookswitch.toml where there is one; else from the installed provider.

Exit codes: 0 done; 1 it could not be done (the reason is printed); 2 the command line or the configuration is wrong;
3 sockets or threads could not be opened.";

const DEMO: &str = "\
It starts a softswitch, two lines and three applications of its own on free ports of 127.0.0.1 and shows, step by step, every
response to an offered call, what was heard, and the main call as a ladder. No configuration is read, and nothing is left behind.";

/// The heading above the options that all commands have.
const EVERYWHERE: &str = "Options of every command";

/// Telephone lines over SIP: register, call, listen, and run a softswitch.
#[derive(Debug, Parser)]
#[command(name = "hookswitch", version, after_help = EXAMPLES, arg_required_else_help = true, max_term_width = 110)]
pub(crate) struct Arguments {
    /// The configuration file [default: hookswitch.toml, else the installed provider].
    #[arg(long, short, global = true, help_heading = EVERYWHERE, value_name = "FILE", conflicts_with = "store")]
    pub(crate) config: Option<PathBuf>,

    /// The folder of the installed provider [default: /etc/hookswitch for root, else ~/.config/hookswitch].
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,

    /// Show what happens inside; twice for more. Written to standard error.
    #[arg(long, short, global = true, help_heading = EVERYWHERE, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Register lines and show how their service changes, until Ctrl-C.
    Register(Register),
    /// Call somebody from a line.
    Call(Call),
    /// Call whom a tel: or sip: link, or a number, names: click-to-call.
    Dial(Dial),
    /// Show the calls offered to a line, and do with them what is chosen.
    Listen(ListenTo),
    /// Run the embedded softswitch: registrar, router, and extensions for echo, tone and music.
    Softswitch(Softswitch),
    /// Install, configure, show and remove the provider: the lines that are there without a configuration file.
    Provider(Box<Provider>),
    /// Check a configuration file, or print an example of one.
    Check(Check),
    /// Show everything at work on this computer in a few seconds; nothing else is needed.
    #[command(after_help = DEMO)]
    Demo,
}

/// Where this command's lines speak SIP.
#[derive(Debug, Args)]
pub(crate) struct Sockets {
    /// Speak SIP here, not where the configuration says; port 0 is any free one. May be given again.
    #[arg(long = "listen", value_name = "udp:ADDRESS:PORT", value_parser = listen)]
    pub(crate) listen: Vec<Listen>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hookswitch register                 all lines of the configuration
  hookswitch register 1001 --once     does this account work? (for scripts: the exit code says so)")]
pub(crate) struct Register {
    /// Names of lines in the configuration; all lines if none is given.
    #[arg(value_name = "LINE")]
    pub(crate) lines: Vec<String>,

    /// End when all lines are in service (exit code 0), or when one is refused or does not answer (exit code 1).
    #[arg(long)]
    pub(crate) once: bool,

    /// With --once: how long to wait for the switch.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) within: Duration,

    #[command(flatten)]
    pub(crate) sockets: Sockets,
}

/// What the other side hears.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct Sound {
    /// Send their own voice back.
    #[arg(long)]
    pub(crate) echo: bool,

    /// Send a steady tone.
    #[arg(long, value_name = "HERTZ", value_parser = clap::value_parser!(u16).range(20..=3_800))]
    pub(crate) tone: Option<u16>,

    /// Play music.
    #[arg(long)]
    pub(crate) music: bool,
}

impl Sound {
    fn audio(&self) -> Option<Audio> {
        match (self.echo, self.tone, self.music) {
            (true, _, _) => Some(Audio::echo()),
            (_, Some(hertz), _) => Some(Audio::tone(hertz)),
            (_, _, true) => Some(Audio::music()),
            (false, None, false) => None,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hookswitch call 1001 600 --tone 440 --duration 3 --ladder
  hookswitch call office sip:bob@example.org --play greeting.wav --record bob.wav
  hookswitch call office 5551234 --digits 1,,2# --duration 30
  hookswitch call office 1002 --camp-on --play message.wav       as soon as 1002 is free

Ends when the other side hangs up, when the file given by --play has been played, after --duration, or at Ctrl-C. The exit
code is 0 if the call was answered.")]
pub(crate) struct Call {
    /// The line to call from: its name in the configuration.
    pub(crate) line: String,

    /// Whom to call: a number, or a sip: or tel: address.
    pub(crate) address: String,

    /// Play a WAV file, then hang up (unless --duration says when).
    #[arg(long, value_name = "FILE", conflicts_with = "Sound")]
    pub(crate) play: Option<PathBuf>,

    #[command(flatten)]
    sound: Sound,

    /// Record both sides into a WAV file: they left, we right.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,

    /// Send these digits once connected: 0-9, *, #, A-D; a comma is a pause of two seconds.
    #[arg(long, value_parser = digits)]
    pub(crate) digits: Option<String>,

    /// Hang up this long after the answer.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) duration: Option<Duration>,

    /// Give up when nobody has answered for this long.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) ring: Duration,

    /// If the other side is busy, camp on: wait until it is free (an hour at most), and ring there then. The switch must let the
    /// line watch it.
    #[arg(long)]
    pub(crate) camp_on: bool,

    /// Draw the call as a ladder at its end.
    #[arg(long)]
    pub(crate) ladder: bool,

    #[command(flatten)]
    pub(crate) sockets: Sockets,
}

impl Call {
    pub(crate) fn audio(&self) -> Audio {
        match &self.play {
            Some(file) => Audio::file(file),
            None => self.sound.audio().unwrap_or(Audio::silence()),
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hookswitch dial tel:+33-1-23-45-67-89
  hookswitch dial sip:bob@example.org --line office
  hookswitch dial 600 --tone 440 --duration 3

The link becomes a request for a call, as any program can make one (Service::request_call in Rust); as long as no server runs,
this command itself is who takes it. The call is made from --line, else from the configuration's applications.default-line, else
from its first line. An extension in the link (tel:+33123;ext=12) is sent as digits once the call is answered. Header fields in a
sip: link are left out.

To let a desktop hand its links over, on Linux, write ~/.local/share/applications/hookswitch-dial.desktop:
  [Desktop Entry]
  Type=Application
  Name=Hookswitch
  Exec=hookswitch dial %u
  Terminal=true
  MimeType=x-scheme-handler/tel;x-scheme-handler/sip;
and then: xdg-mime default hookswitch-dial.desktop x-scheme-handler/tel x-scheme-handler/sip
Nothing is registered by this command itself. Anybody who writes a page can write links: leave the browser's question on.")]
pub(crate) struct Dial {
    /// Whom to call: a tel: or sip: link, or a number.
    #[arg(value_name = "LINK", value_parser = link)]
    pub(crate) link: String,

    /// The line to call from: its name.
    #[arg(long, value_name = "LINE")]
    pub(crate) line: Option<String>,

    #[command(flatten)]
    sound: Sound,

    /// Hang up this long after the answer.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) duration: Option<Duration>,

    /// Give up when nobody has answered for this long.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) ring: Duration,

    /// Draw the call as a ladder at its end.
    #[arg(long)]
    pub(crate) ladder: bool,

    #[command(flatten)]
    pub(crate) sockets: Sockets,
}

impl Dial {
    /// The same as a call from this line.
    pub(crate) fn call_from(self, line: String, link: CallLink) -> Call {
        Call {
            line,
            address: link.destination,
            play: None,
            sound: self.sound,
            record: None,
            // RFC 3966 5.3: digits for what answers; whoever answers needs a moment to listen.
            digits: link.extension.map(|extension| format!(",{extension}")),
            duration: self.duration,
            ring: self.ring,
            camp_on: false,
            ladder: self.ladder,
            sockets: self.sockets,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Refusal {
    Busy,
    Decline,
    NoAnswer,
}

impl From<Refusal> for RejectReason {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Busy => Self::Busy,
            Refusal::Decline => Self::Decline,
            Refusal::NoAnswer => Self::NoAnswer,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hookswitch listen 1002                              show calls and leave them to others
  hookswitch listen 1002 --accept --answer hello.wav  alert, answer, play, hang up
  hookswitch listen 1002 --echo --record calls        answer with echo, one recording for each call
  hookswitch listen 1002 --redirect 600               send callers to another address, unanswered
  hookswitch listen 1002 --answer hello.wav --hand-off 1001
                                                      greet, then transfer
  hookswitch listen 1002 --reject busy --count 1      refuse one call, then end")]
pub(crate) struct ListenTo {
    /// The line: its name in the configuration.
    pub(crate) line: String,

    /// Claim the call and let the caller hear ringing; alone, it is never answered.
    #[arg(long, conflicts_with_all = ["redirect", "reject"])]
    pub(crate) accept: bool,

    /// Answer with a WAV file, then hang up or hand off.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["Sound", "redirect", "reject"])]
    pub(crate) answer: Option<PathBuf>,

    #[command(flatten)]
    sound: Sound,

    /// Send the call to this address, unanswered (302).
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["Sound", "reject", "hand_off"])]
    pub(crate) redirect: Option<String>,

    /// Hand the call to this address: at once, or after the answer (REFER) if one is chosen too.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "reject")]
    pub(crate) hand_off: Option<String>,

    /// Refuse the call: busy (486; a switch may try others), decline (everywhere, 603) or no-answer (480).
    #[arg(long, value_name = "HOW", conflicts_with = "Sound", hide_possible_values = true)]
    pub(crate) reject: Option<Refusal>,

    /// Record each answered call into a WAV file in this folder: the caller left, we right.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) record: Option<PathBuf>,

    /// Hang up this long after the answer.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) duration: Option<Duration>,

    /// End after so many calls.
    #[arg(long, value_name = "CALLS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) count: Option<u32>,

    /// Draw each call as a ladder at its end.
    #[arg(long)]
    pub(crate) ladder: bool,

    #[command(flatten)]
    pub(crate) sockets: Sockets,
}

impl ListenTo {
    /// What an answered caller hears; `None`: calls are not answered.
    pub(crate) fn audio(&self) -> Option<Audio> {
        match &self.answer {
            Some(file) => Some(Audio::file(file)),
            None => self.sound.audio(),
        }
    }

    /// Whether calls are only looked at.
    pub(crate) fn only_shows(&self) -> bool {
        !self.accept
            && self.audio().is_none()
            && self.redirect.is_none()
            && self.hand_off.is_none()
            && self.reject.is_none()
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Without a [softswitch] in the configuration (a file or the installed provider) it listens on 127.0.0.1:5070 with the accounts
1001 (password hookswitch-1001) and 1002 (password hookswitch-1002), echo on 600, a tone on 601 and music on 602.

Phones: whoever registers is shown as a telephone, one line for each change:
  0:12.041  phone 1001  Desk 1, on hook, lamps: messages off, 1002 flashing
What it calls itself; whether it is on hook, rings, is off hook or out of service; the lamps that it has confirmed: messages that
wait for it, and one for each user that it watches (flashing while that one is alerted, steady while it is in a call).

Examples:
  hookswitch softswitch
  hookswitch softswitch --listen udp:192.0.2.10:5060 --account alice:secret")]
pub(crate) struct Softswitch {
    /// Listen here, not where the configuration says. May be given again.
    #[arg(long, value_name = "udp:ADDRESS:PORT", value_parser = listen)]
    pub(crate) listen: Vec<Listen>,

    /// Let this user register and call, instead of the configured ones. May be given again.
    #[arg(long = "account", value_name = "USER:PASSWORD", value_parser = account)]
    pub(crate) accounts: Vec<(String, String)>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hookswitch check                            is ./hookswitch.toml right?
  hookswitch check --example > hookswitch.toml

The installed provider is checked by `hookswitch provider show`.")]
pub(crate) struct Check {
    /// The file [default: that of --config, else hookswitch.toml].
    #[arg(value_name = "CONFIG")]
    pub(crate) file: Option<PathBuf>,

    /// Print a configuration with every key explained.
    #[arg(long, conflicts_with = "file")]
    pub(crate) example: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let fits = text.parse::<f64>().ok().filter(|seconds| (0.1..=86_400.0).contains(seconds));
    fits.map(Duration::from_secs_f64)
        .ok_or_else(|| "expected seconds from 0.1 to 86400, such as 5 or 2.5".to_owned())
}

fn digits(text: &str) -> Result<String, String> {
    match text.chars().find(|c| !matches!(c, '0'..='9' | 'A'..='D' | '*' | '#' | ',')) {
        None if !text.is_empty() => Ok(text.to_owned()),
        None => Err("expected at least one digit".to_owned()),
        Some(c) => Err(format!("expected 0-9, A-D, *, # or a comma (two seconds of pause), not {c:?}")),
    }
}

fn listen(text: &str) -> Result<Listen, String> {
    text.parse()
}

fn link(text: &str) -> Result<String, String> {
    CallLink::parse(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

fn account(text: &str) -> Result<(String, String), String> {
    let expected = "expected USER:PASSWORD, such as alice:secret; the user has letters, digits and -_.";
    let (user, password) = text.split_once(':').ok_or(expected)?;
    let fits = !user.is_empty()
        && user.len() <= 128
        && user.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if fits && !password.is_empty() {
        Ok((user.to_owned(), password.to_owned()))
    } else {
        Err(expected.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(std::iter::once("hookswitch").chain(line.split_whitespace()))
    }

    #[test]
    fn the_definition_holds_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn what_the_help_shows_is_understood() {
        for line in [
            "demo",
            "check --example",
            "check other.toml",
            "register",
            "register 1001 --once -c a.toml",
            "call 1001 600 --tone 440 --duration 3 --ladder",
            "call office sip:bob@example.org --play greeting.wav --record bob.wav",
            "call office 5551234 --digits 1,,2# --duration 30",
            "dial tel:+33-1-23-45-67-89",
            "dial sip:bob@example.org --line office --store phones",
            "dial 600 --tone 440 --duration 3",
            "provider install hookswitch.toml",
            "provider install --store ./phones",
            "provider show",
            "provider remove --yes",
            "provider config add-line desk --registrar pbx.example.org --user 1001 --password-stdin",
            "provider config add-line trunk --registrar 192.0.2.10 --user 0301234 --trunk --accept-from 192.0.2.0/24",
            "provider config change-line desk --display-name Reception --forward no-answer=1002",
            "provider config change-line desk --default forward --default no-answer-seconds",
            "provider config change-line desk --name reception",
            "provider config remove-line desk",
            "provider config set media.ports [20000,20999]",
            "provider config unset media.ports",
            "listen 1002",
            "listen 1002 --accept --answer hello.wav",
            "listen 1002 --echo --record calls",
            "listen 1002 --redirect 600",
            "listen 1002 --answer hello.wav --hand-off 1001",
            "listen 1002 --reject no-answer --count 1",
            "softswitch --listen udp:192.0.2.10:5060 --account alice:secret",
        ] {
            assert!(parse(line).is_ok(), "{line}: {}", parse(line).unwrap_err());
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_was_expected() {
        for (line, part) in [
            ("", "Usage"),
            ("cal 1001 600", "call"),
            ("call 1001", "<ADDRESS>"),
            ("call 1001 600 --tone 5", "20..=3800"),
            ("call 1001 600 --tone 440 --echo", "cannot be used with"),
            ("call 1001 600 --play a.wav --music", "cannot be used with"),
            ("call 1001 600 --digits 12x", "not 'x'"),
            ("call 1001 600 --duration soon", "seconds from 0.1"),
            ("listen 1002 --redirect 600 --reject busy", "cannot be used with"),
            ("listen 1002 --reject maybe", "possible values: busy, decline, no-answer"),
            ("listen 1002 --accept --redirect 600", "cannot be used with"),
            ("listen 1002 --count 0", "1.."),
            ("softswitch --listen 5060", "udp:0.0.0.0:5060"),
            ("softswitch --account alice", "USER:PASSWORD"),
            ("check a.toml --example", "cannot be used with"),
        ] {
            let error = parse(line).map(|_| ()).expect_err(line).to_string();
            assert!(error.contains(part), "{line}\n{error}");
        }
    }
}
