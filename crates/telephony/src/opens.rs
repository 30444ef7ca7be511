//! Open lines: which sessions have them open for what, and which of them comes first for a call.

use crate::priorities::Priorities;
use crate::request::Interest;
use crate::sessions::Sessions;
use crate::{OpenId, SessionId};
use hookswitch_spi::{AddressId, CallId, ExtensionVersion, MediaType, MediaTypes, Set, StatusKind};
use std::collections::BTreeSet;

/// A line that at least one session has open.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// In the order of opening.
    pub(crate) opens: Vec<Open>,
    /// Its calls, embryos included.
    pub(crate) calls: BTreeSet<CallId>,
    /// What the provider was last told to detect.
    pub(crate) detected: MediaTypes,
    /// The news that the provider was last told somebody wants.
    pub(crate) told: Set<StatusKind>,
    /// The version of its extension that is in force.
    pub(crate) extension: Option<InForce>,
}

/// The version of a line's extension that is in force, and who has selected it.
#[derive(Debug)]
pub(crate) struct InForce {
    pub(crate) version: ExtensionVersion,
    pub(crate) users: Vec<SessionId>,
}

/// One session's opening of a line.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) id: OpenId,
    pub(crate) session: SessionId,
    pub(crate) interest: Interest,
}

impl Line {
    /// Takes all openings of a session back.
    pub(crate) fn close(&mut self, session: SessionId) {
        self.opens.retain(|open| open.session != session);
    }

    /// The openings of a session.
    pub(crate) fn of(&self, session: SessionId) -> impl Iterator<Item = &Open> {
        self.opens.iter().filter(move |open| open.session == session)
    }

    /// The sessions that want such news, each once.
    pub(crate) fn hearing(&self, news: StatusKind) -> impl Iterator<Item = SessionId> {
        let wants = move |open: &Open| open.interest.status.contains(news);
        let heard_before = move |n: usize, session: SessionId| {
            self.opens.iter().take(n).any(|open| open.session == session && wants(open))
        };
        let wanting = self.opens.iter().enumerate().filter(move |(_, open)| wants(open));
        wanting.filter(move |(n, open)| !heard_before(*n, open.session)).map(|(_, open)| open.session)
    }

    /// The sessions that have it open, in the order of opening.
    pub(crate) fn sessions(&self) -> Vec<SessionId> {
        let mut sessions = Vec::new();
        for open in &self.opens {
            if !sessions.contains(&open.session) {
                sessions.push(open.session);
            }
        }
        sessions
    }

    /// The media types that somebody who is here wants.
    pub(crate) fn wanted(&self, sessions: &Sessions) -> MediaTypes {
        let here = self.opens.iter().filter(|open| sessions.is_here(open.session));
        here.fold(MediaTypes::NONE, |media, open| {
            let monitored = if open.interest.monitor { MediaTypes::ALL } else { MediaTypes::NONE };
            media.union(open.interest.owner).union(monitored)
        })
    }

    /// The session that comes first for a call of exactly this type; `address` if it has to want calls to it.
    pub(crate) fn first_for(
        &self,
        media: MediaType,
        address: Option<AddressId>,
        sessions: &Sessions,
        priorities: &Priorities,
    ) -> Option<SessionId> {
        let fits = |open: &&Open| {
            open.interest.owner.contains(media)
                && address.is_none_or(|called| open.interest.address.is_none_or(|only| only == called))
        };
        let offered = self.opens.iter().filter(fits).filter_map(|open| {
            let session = sessions.get(open.session).filter(|session| session.takes_offers())?;
            Some((priorities.rank(media, &session.name), open.session))
        });
        // The first of several equal ones, hence the first opener.
        offered.min_by_key(|(rank, _)| *rank).map(|(_, session)| session)
    }

    /// The first owner of a call (spec 4.3), and what is left of its media types after the search.
    pub(crate) fn first_owner(
        &self,
        media: MediaTypes,
        possible: MediaTypes,
        address: AddressId,
        sessions: &Sessions,
        priorities: &Priorities,
    ) -> Option<(SessionId, MediaTypes)> {
        let first_for = |one| self.first_for(one, Some(address), sessions, priorities);
        let unknown = media.is_empty() || media.contains(MediaType::Unknown);
        if unknown && let Some(session) = first_for(MediaType::Unknown) {
            return Some((session, media));
        }
        // The telephony server probes in its own order and takes out what nobody wants. A call of which nothing is known may
        // be anything that the line can carry.
        let known = media.without(MediaType::Unknown);
        let mut left = if known.is_empty() { possible.without(MediaType::Unknown) } else { known };
        for one in left.iter() {
            if let Some(session) = first_for(one) {
                return Some((session, left));
            }
            left = left.without(one);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sessions::Session;
    use hookswitch_machine::HashKeys;
    use hookswitch_spi::InterfaceVersion;
    use std::time::Duration;

    type Opens<'a> = &'a [(u64, &'a str, MediaTypes)];
    /// Who opened, what came, the order of priority, who is chosen and what is left of the media.
    type Row<'a> = (Opens<'a>, MediaTypes, &'a [&'a str], Option<(u64, MediaTypes)>);

    fn line(interests: Opens<'_>) -> (Line, Sessions) {
        let mut sessions = Sessions::new(HashKeys::default());
        let mut line = Line::default();
        for (id, name, media) in interests {
            let session = Session::new((*name).into(), Duration::ZERO, InterfaceVersion::V1);
            sessions.insert(SessionId(*id), session);
            line.opens.push(Open {
                id: OpenId(*id),
                session: SessionId(*id),
                interest: Interest::owner(*media),
            });
        }
        (line, sessions)
    }

    const FAX: MediaTypes = MediaTypes::NONE.with(MediaType::Fax);
    const UNKNOWN: MediaTypes = MediaTypes::NONE.with(MediaType::Unknown);

    #[test]
    fn the_first_owner_follows_media_then_priority_then_order_of_opening() {
        let three = [(1, "a", MediaTypes::VOICE), (2, "b", MediaTypes::VOICE), (3, "f", FAX)];
        let rows: [Row<'_>; 8] = [
            (&three, MediaTypes::VOICE, &[], Some((1, MediaTypes::VOICE))),
            (&three, MediaTypes::VOICE, &["b"], Some((2, MediaTypes::VOICE))),
            (&three, MediaTypes::VOICE, &["nobody", "b", "a"], Some((2, MediaTypes::VOICE))),
            (&three, FAX, &["b"], Some((3, FAX))),
            (&three[2..], MediaTypes::VOICE, &[], None),
            // Unknown, and nobody registered for it: voice is probed first, then fax.
            (&three, UNKNOWN, &[], Some((1, MediaTypes::ALL.without(MediaType::Unknown)))),
            (&three[2..], UNKNOWN.with(MediaType::Voice).with(MediaType::Fax), &[], Some((3, FAX))),
            (&[(1, "a", MediaTypes::VOICE), (9, "u", UNKNOWN)], UNKNOWN, &[], Some((9, UNKNOWN))),
        ];
        for (opens, media, order, expected) in rows {
            let (line, sessions) = line(opens);
            let mut priorities = Priorities::default();
            priorities.set(MediaType::Voice, order.iter().map(|name| (*name).into()).collect());
            let first = line.first_owner(media, MediaTypes::ALL, AddressId(0), &sessions, &priorities);
            assert_eq!(first, expected.map(|(id, left)| (SessionId(id), left)), "{media} {order:?}");
        }
    }

    #[test]
    fn news_go_once_to_each_session_that_wants_them() {
        let (mut line, _) = line(&[(1, "a", FAX), (2, "b", FAX), (1, "a", FAX), (3, "c", FAX)]);
        let service = StatusKind::Service;
        for n in [0, 2, 3] {
            line.opens[n].interest.status = Set::ALL;
        }
        assert_eq!(line.hearing(service).collect::<Vec<_>>(), [SessionId(1), SessionId(3)]);
        line.opens[0].interest.status = Set::NONE;
        assert_eq!(line.hearing(service).collect::<Vec<_>>(), [SessionId(1), SessionId(3)]);
    }

    #[test]
    fn an_address_of_interest_restricts_first_ownership_only() {
        let (mut line, sessions) = line(&[(1, "a", MediaTypes::VOICE)]);
        line.opens[0].interest.address = Some(AddressId(1));
        let none = Priorities::default();
        assert_eq!(line.first_for(MediaType::Voice, Some(AddressId(0)), &sessions, &none), None);
        assert_eq!(line.first_for(MediaType::Voice, None, &sessions, &none), Some(SessionId(1)));
    }
}
