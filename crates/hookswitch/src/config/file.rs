//! The file as serde reads it. Every key of the format stands here, and nothing else does.

use hookswitch_spi::MediaType;
use serde::Deserialize;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    /// These four are a store's own; a configuration file has none of them.
    pub(super) format: Option<Spanned<i64>>,
    pub(super) provider: Option<Spanned<String>>,
    pub(super) serial: Option<Spanned<i64>>,
    pub(super) next_line: Option<Spanned<i64>>,
    #[serde(default)]
    pub(super) sip: Sip,
    #[serde(default)]
    pub(super) media: Media,
    #[serde(default)]
    pub(super) applications: Applications,
    /// Application names in order.
    #[serde(default)]
    pub(super) priorities: Priorities,
    #[serde(default, rename = "line")]
    pub(super) lines: Vec<Spanned<Line>>,
    pub(super) softswitch: Option<Softswitch>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Sip {
    #[serde(default)]
    pub(super) listen: Vec<Spanned<String>>,
    pub(super) advertise: Option<Spanned<String>>,
    pub(super) user_agent: Option<Spanned<String>>,
    pub(super) shards: Option<Spanned<u16>>,
    pub(super) session_expires: Option<Spanned<u32>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Media {
    pub(super) address: Option<Spanned<String>>,
    pub(super) advertise: Option<Spanned<String>>,
    pub(super) ports: Option<Spanned<(u16, u16)>>,
    pub(super) threads: Option<Spanned<u16>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Applications {
    /// `leave`, `reject`, or an address to forward to.
    pub(super) unowned: Option<Spanned<String>>,
    /// The line that calls are made from where none is named.
    pub(super) default_line: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Priorities {
    pub(super) voice: Option<Spanned<Vec<String>>>,
    pub(super) fax: Option<Spanned<Vec<String>>>,
    pub(super) text: Option<Spanned<Vec<String>>>,
    pub(super) data: Option<Spanned<Vec<String>>>,
    pub(super) video: Option<Spanned<Vec<String>>>,
    pub(super) unknown: Option<Spanned<Vec<String>>>,
    /// Not a media type: who is given requests for calls.
    pub(super) requests: Option<Spanned<Vec<String>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Line {
    pub(super) name: Spanned<String>,
    pub(super) profile: Option<Spanned<String>>,
    pub(super) registrar: Spanned<String>,
    pub(super) domain: Option<Spanned<String>>,
    pub(super) user: Spanned<String>,
    pub(super) auth_user: Option<Spanned<String>>,
    pub(super) password: Option<Spanned<String>>,
    pub(super) password_file: Option<Spanned<String>>,
    pub(super) password_env: Option<Spanned<String>>,
    pub(super) realm: Option<String>,
    pub(super) display_name: Option<Spanned<String>>,
    pub(super) register: Option<bool>,
    #[serde(default)]
    pub(super) numbers: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) accept_from: Vec<Spanned<String>>,
    pub(super) max_calls: Option<Spanned<u32>>,
    pub(super) media: Option<Spanned<Vec<MediaType>>>,
    #[serde(default)]
    pub(super) forward: Vec<Spanned<Forward>>,
    pub(super) no_answer_seconds: Option<Spanned<u64>>,
    /// The store's number for it; a configuration file has none.
    pub(super) id: Option<Spanned<u32>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Forward {
    pub(super) when: hookswitch_spi::ForwardCondition,
    pub(super) from: Option<String>,
    /// `internal` or `external`; both if absent.
    pub(super) origin: Option<hookswitch_spi::CallerKind>,
    /// An address, or `do-not-disturb`.
    pub(super) to: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Softswitch {
    #[serde(default)]
    pub(super) listen: Vec<Spanned<String>>,
    pub(super) domain: Option<Spanned<String>>,
    pub(super) echo: Option<Spanned<String>>,
    pub(super) tone: Option<Spanned<String>>,
    pub(super) music: Option<Spanned<String>>,
    pub(super) park: Option<Spanned<String>>,
    pub(super) orbits: Option<Spanned<(u32, u32)>>,
    pub(super) recall_seconds: Option<Spanned<u64>>,
    pub(super) longest_park_seconds: Option<Spanned<u64>>,
    pub(super) pickup: Option<Spanned<String>>,
    /// `everyone` or `same-group`.
    pub(super) may_pick_up: Option<Spanned<String>>,
    /// The same.
    pub(super) may_watch: Option<Spanned<String>>,
    #[serde(default, rename = "account")]
    pub(super) accounts: Vec<SwitchAccount>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct SwitchAccount {
    pub(super) user: Spanned<String>,
    pub(super) password: Spanned<String>,
    #[serde(default)]
    pub(super) groups: Vec<String>,
}
