//! What can be typed after `hookswitch provider`.

use clap::{Args, Subcommand};
use hookswitch::config::Value;
use std::path::PathBuf;

const STORE: &str = "\
Examples, in the order in which they are needed:
  hookswitch provider install
  hookswitch provider config add-line desk --registrar pbx.example.org --user 1001 --password-stdin < secret
  hookswitch register desk --once                does the account work?
  hookswitch provider show
  hookswitch provider remove --yes

The store is a folder with one file, provider.toml: that of --store, else /etc/hookswitch for root, else hookswitch in
$XDG_CONFIG_HOME (~/.config). A change is written completely or not at all, also if the power fails; running services notice
it: lines appear and disappear, credentials, access lists and priorities change at once; everything else takes effect when the
service starts again.";

const SHOW: &str = "\
Examples:
  hookswitch provider show
  hookswitch provider show --store ./phones

It says where the store is, whether what stands in it is right, and what services would run: sockets, lines with their numbers,
priorities, the softswitch. The exit code is 0 if it is right, 1 if nothing is installed, 2 if it is wrong: scripts can ask.";

#[derive(Debug, Args)]
#[command(after_help = STORE)]
pub(crate) struct Provider {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Install the provider: once, before anything else.
    Install(Install),
    /// Change what is installed: lines and options.
    Config(Box<Config>),
    /// Show what is installed; passwords are not shown.
    #[command(after_help = SHOW)]
    Show,
    /// Remove the provider with all its configuration.
    Remove(Remove),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hookswitch provider install                    without lines; add them with `config add-line`
  hookswitch provider install hookswitch.toml    with everything that a configuration file says
  hookswitch provider install --store ./phones   in a folder of your own

The file given is copied, not used any more. An install that is interrupted leaves nothing behind.")]
pub(crate) struct Install {
    /// A configuration file to begin with; `hookswitch check --example` prints one.
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hookswitch provider remove                     says what would be removed
  hookswitch provider remove --yes
  hookswitch provider remove --yes --store ./phones

The store and its configuration, passwords included, are gone afterwards; password files are left. Services that run go on
with what they have read until they end, so no call is lost.")]
pub(crate) struct Remove {
    /// Yes, remove everything.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hookswitch provider config add-line desk --registrar pbx.example.org --user 1001 --password-stdin < secret
  hookswitch provider config change-line desk --display-name Reception --forward no-answer=1002
  hookswitch provider config change-line desk --default forward --default no-answer-seconds
  hookswitch provider config remove-line desk
  hookswitch provider config set media.ports '[20000, 20999]'
  hookswitch provider config unset media.ports

The file can be edited by hand as well (`hookswitch provider show` says where it is); a new [[line]] needs no id, it is given
one. `hookswitch check --example` explains every key.")]
pub(crate) struct Config {
    #[command(subcommand)]
    pub(crate) command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Add a line: an account at a softswitch or carrier. Running services get it at once.
    AddLine(AddLine),
    /// Change a line. New credentials and access lists are used at once, the rest when services start again.
    ChangeLine(ChangeLine),
    /// Remove a line. In running services its calls end; its number is never used again.
    RemoveLine(RemoveLine),
    /// Set an option.
    Set(Set),
    /// Take an option out, so that its default holds.
    Unset(Unset),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hookswitch provider config add-line desk --registrar pbx.example.org --user 1001 --password-file /run/secrets/desk
  hookswitch provider config add-line trunk --registrar 192.0.2.10 --user 0301234 --trunk --accept-from 192.0.2.0/24

A password on the command line can be seen by other users of this computer; --password-stdin cannot.")]
pub(crate) struct AddLine {
    /// What commands and applications will call it.
    pub(crate) name: String,

    /// Host or host:port of the switch.
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) registrar: String,

    /// The account's user: the part of its address before the @.
    #[arg(long)]
    pub(crate) user: String,

    #[command(flatten)]
    pub(crate) keys: LineKeys,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hookswitch provider config change-line desk --password-stdin < secret
  hookswitch provider config change-line desk --name reception
  hookswitch provider config change-line desk --default max-calls     its default holds again

What is not mentioned stays. A list (--number, --accept-from, --media, --forward) takes the place of the whole old list.")]
pub(crate) struct ChangeLine {
    /// The line's name.
    #[arg(value_name = "NAME")]
    pub(crate) line: String,

    /// Another name for it.
    #[arg(long = "name", value_name = "NEW-NAME")]
    pub(crate) new_name: Option<String>,

    /// Host or host:port of the switch.
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) registrar: Option<String>,

    /// The account's user: the part of its address before the @.
    #[arg(long)]
    pub(crate) user: Option<String>,

    #[command(flatten)]
    pub(crate) keys: LineKeys,

    /// Take a key out, so that its default holds. May be given again.
    #[arg(long = "default", value_name = "KEY", value_parser = optional_key)]
    pub(crate) defaults: Vec<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  hookswitch provider config remove-line desk

Other lines keep their numbers. The line's calls end at once, so remove it when it has none.")]
pub(crate) struct RemoveLine {
    /// The line's name.
    pub(crate) name: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hookswitch provider config set sip.listen '[\"udp:0.0.0.0:5060\"]'
  hookswitch provider config set media.address 192.0.2.1
  hookswitch provider config set applications.unowned reject
  hookswitch provider config set applications.default-line desk
  hookswitch provider config set priorities.voice '[\"reception\", \"mailbox\"]'

The value is TOML; what is no TOML is taken as text, so quotes can be left out.")]
pub(crate) struct Set {
    /// Section and key.
    #[arg(value_name = "SECTION.KEY")]
    pub(crate) option: String,
    /// Its new value.
    #[arg(allow_hyphen_values = true)]
    pub(crate) value: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hookswitch provider config unset media.ports
  hookswitch provider config unset priorities.voice

`hookswitch check --example` explains every key and says its default.")]
pub(crate) struct Unset {
    /// Section and key.
    #[arg(value_name = "SECTION.KEY")]
    pub(crate) option: String,
}

/// Where a password comes from.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct Password {
    /// The password; it is kept in the store, which only its owner can read.
    #[arg(long, value_name = "PASSWORD")]
    pub(crate) password: Option<String>,

    /// Read the password from standard input; it is kept in the store.
    #[arg(long)]
    pub(crate) password_stdin: bool,

    /// Let services read the password from this file when they start, or when the line appears.
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,

    /// Let services read the password from this environment variable.
    #[arg(long, value_name = "VARIABLE")]
    pub(crate) password_env: Option<String>,
}

/// What every line can have.
#[derive(Debug, Args)]
pub(crate) struct LineKeys {
    #[command(flatten)]
    pub(crate) password: Password,

    /// What kind of switch it is: generic, asterisk, freeswitch, kamailio, hookswitch (the embedded one), or a path that ends with .toml.
    #[arg(long)]
    pub(crate) profile: Option<String>,

    /// The domain of the account's address [default: the registrar's host].
    #[arg(long)]
    pub(crate) domain: Option<String>,

    /// The name for authentication [default: the user].
    #[arg(long, value_name = "NAME")]
    pub(crate) auth_user: Option<String>,

    /// Answer only challenges of this realm.
    #[arg(long)]
    pub(crate) realm: Option<String>,

    /// The name shown to those who are called.
    #[arg(long, value_name = "NAME")]
    pub(crate) display_name: Option<String>,

    /// A trunk: it does not register.
    #[arg(long)]
    pub(crate) trunk: bool,

    /// A further number that calls to this line may name. May be given again.
    #[arg(long = "number", value_name = "NUMBER")]
    pub(crate) numbers: Vec<String>,

    /// An address or range that may call in besides the switch. May be given again.
    #[arg(long, value_name = "ADDRESS[/BITS]")]
    pub(crate) accept_from: Vec<String>,

    /// The most calls at a time.
    #[arg(long, value_name = "CALLS")]
    pub(crate) max_calls: Option<u32>,

    /// A media type that calls may carry. May be given again.
    #[arg(long, value_name = "TYPE")]
    pub(crate) media: Vec<String>,

    /// A standing rule: unconditional, busy or no-answer, and an address or do-not-disturb. May be given again.
    #[arg(long, value_name = "WHEN=ADDRESS", value_parser = forward)]
    pub(crate) forward: Vec<(String, String)>,

    /// How long a call rings before a no-answer rule applies.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) no_answer_seconds: Option<u32>,
}

impl LineKeys {
    /// The keys that were given, as the file has them. The password is not among them.
    pub(crate) fn values(&self) -> Vec<(&'static str, Value)> {
        let list = |texts: &[String]| texts.iter().map(String::as_str).collect::<Value>();
        let text = |text: &Option<String>| text.as_deref().map(Value::from);
        let number = |number: Option<u32>| number.map(|number| Value::from(i64::from(number)));
        let many = |texts: &[String]| (!texts.is_empty()).then(|| list(texts));
        let rules = self
            .forward
            .iter()
            .map(|(when, to)| [("when", when.as_str()), ("to", to.as_str())].into_iter().collect::<Value>());
        [
            ("profile", text(&self.profile)),
            ("domain", text(&self.domain)),
            ("auth-user", text(&self.auth_user)),
            ("realm", text(&self.realm)),
            ("display-name", text(&self.display_name)),
            ("register", self.trunk.then(|| Value::from(false))),
            ("numbers", many(&self.numbers)),
            ("accept-from", many(&self.accept_from)),
            ("max-calls", number(self.max_calls)),
            ("media", many(&self.media)),
            ("forward", (!self.forward.is_empty()).then(|| rules.collect::<Value>())),
            ("no-answer-seconds", number(self.no_answer_seconds)),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
    }
}

/// Keys of a line that have a default.
const OPTIONAL: [&str; 15] = [
    "profile",
    "domain",
    "auth-user",
    "password",
    "password-file",
    "password-env",
    "realm",
    "display-name",
    "register",
    "numbers",
    "accept-from",
    "max-calls",
    "media",
    "forward",
    "no-answer-seconds",
];

fn optional_key(text: &str) -> Result<String, String> {
    if OPTIONAL.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(format!("expected one of {}", OPTIONAL.join(", ")))
}

fn forward(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((when @ ("unconditional" | "busy" | "no-answer"), to)) if !to.is_empty() => {
            Ok((when.to_owned(), to.to_owned()))
        }
        _ => Err("expected unconditional, busy or no-answer, =, and an address or do-not-disturb, such as busy=1002"
            .to_owned()),
    }
}
