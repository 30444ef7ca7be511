//! Why a call comes and ends, and who is behind it.
//!
//! [`Reason`] (RFC 3326) says why a call ended; [`Identities`] collects, from the half a dozen headers that speak of it, who calls, what
//! was dialled first and who diverted the call; [`Diversion`] and [`HistoryEntry`] are the headers behind that; [`UserToUser`]
//! (RFC 7433) is what one user sends the other along with the call.
//!
//! Reading order: `lex` (what header values share), `reason`, `user_to_user`, `party`, `diversion`, `history`, `identities`.

mod diversion;
mod history;
mod identities;
pub(crate) mod lex;
mod party;
mod reason;
mod user_to_user;

pub use diversion::{Diversion, DiversionReason};
pub use history::HistoryEntry;
pub use identities::{Identities, Redirection, Trust, connected};
pub use party::{Party, Presentation};
pub use reason::{Protocol, Reason};
pub use user_to_user::{Encoding, UserToUser, UserToUserError};

#[cfg(test)]
mod tests {
    use super::*;
    use hookswitch_machine::Entropy;

    #[test]
    fn broken_headers_are_read_or_left_out() {
        let mut entropy = Entropy::from_number(7);
        for value in lex::broken("Q.850;cause=16;text=\"a \\\"b\\\"\"", &mut entropy) {
            if let Some(reason) = Reason::parse(&value) {
                assert!(Reason::parse(&reason.to_string()).is_some(), "{value:?}");
            }
        }
        for value in lex::broken("00a1ff;encoding=hex;purpose=isdn-uui;content=x", &mut entropy) {
            if let Ok(information) = UserToUser::parse(&value) {
                assert_eq!(UserToUser::parse(&information.to_string()).unwrap().payload, information.payload);
            }
        }
        let sample = "\"B \\\"b\" <sip:+49;x=%41@b.com;user=phone>;reason=user-busy;counter=3;privacy=off";
        for value in lex::broken(sample, &mut entropy) {
            if let Some(diversion) = Diversion::parse(&value) {
                assert!(Diversion::parse(&diversion.to_string()).is_some(), "{value:?}");
            }
        }
        let sample = "<sip:b@b.com;cause=302?Reason=SIP%3Bcause%3D486&Privacy=none>;index=1.1;mp=1";
        for value in lex::broken(sample, &mut entropy) {
            let entries: Vec<_> = HistoryEntry::parse(&value).into_iter().collect();
            HistoryEntry::last_diversion(&entries);
        }
    }
}
