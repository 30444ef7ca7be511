//! Subscriptions of the provider's with the peer: dialogs and waiting messages.

use super::*;

impl Peer {
    pub(super) fn subscribed(&mut self, message: &Message) {
        let user = message.uri().ok().and_then(|uri| uri.user_unescaped().map(|user| user.into_owned()));
        let user = user.unwrap_or_default();
        let package = message.header(Name::new("Event")).unwrap_or_default();
        let package = package.split(';').next().unwrap_or_default().trim().to_owned();
        let expires = message.expires().unwrap_or(3_600);
        if package != "dialog" && package != "message-summary" {
            self.out.push_back(respond(message, 489, "peer", "", Body::None));
            return;
        }
        let known = self.subscriptions.iter().position(|known| known.leg.call_id == message.call_id());
        let at = known.unwrap_or_else(|| {
            let number = self.subscriptions.len();
            let leg = Leg {
                place: self.place.peer,
                user: user.clone(),
                call_id: message.call_id().to_owned(),
                own: format!("{};tag=watch{number}", message.header(Name::To).unwrap_or_default()),
                theirs: message.header(Name::From).unwrap_or_default().to_owned(),
                target: message.contact().map(|contact| contact.uri().to_string()).unwrap_or_default(),
                cseq: 0,
                calls: false,
                state: LegState::Up,
                pending: None,
                branch: String::new(),
                media: MediaTypes::NONE,
                version: 0,
                direction: "inactive",
                held: false,
                port: 9,
                payload: 0,
                saw: Vec::new(),
                refuse_within: 0,
                silent: false,
                when_transferred: 0,
                joined: None,
            };
            self.subscriptions.push(Subscription { user: user.clone(), package, leg: Box::new(leg) });
            number
        });
        let Some(subscription) = self.subscriptions.get_mut(at) else { return };
        let fields = format!("Expires: {expires}\r\n");
        let text = subscription.leg.response(message, 200, &fields, Body::None);
        self.out.push_back(text);
        if expires == 0 {
            let mut gone = self.subscriptions.remove(at);
            let branch = self.branch();
            let fields =
                format!("Event: {}\r\nSubscription-State: terminated;reason=timeout\r\n", gone.package);
            self.out.push_back(gone.leg.request("NOTIFY", &branch, &fields, Body::None));
            return;
        }
        self.notify_one(at);
    }

    pub(super) fn notify_dialogs(&mut self, user: &str) {
        self.notify_package(user, "dialog");
    }

    pub(super) fn notify_package(&mut self, user: &str, package: &str) {
        for at in 0..self.subscriptions.len() {
            let fits =
                self.subscriptions.get(at).is_some_and(|one| one.user == user && one.package == package);
            if fits {
                self.notify_one(at);
            }
        }
    }

    pub(super) fn notify_one(&mut self, at: usize) {
        let branch = self.branch();
        let Some(subscription) = self.subscriptions.get_mut(at) else { return };
        let fields =
            format!("Event: {}\r\nSubscription-State: active;expires=3600\r\n", subscription.package);
        let (kind, body) = if subscription.package == "dialog" {
            subscription.leg.version += 1;
            let mut dialogs = String::new();
            let busy = match self.behaviours.get(&subscription.user) {
                Some(Behaviour::Refuses(status, _) | Behaviour::RingsThenRefuses(_, status, _)) => {
                    matches!(status, 486 | 600)
                }
                Some(_) | None => false,
            };
            if busy {
                dialogs.push_str("<dialog id=\"other\"><state>confirmed</state></dialog>");
            }
            for (_, of) in self.alerting.iter().filter(|(station, _)| *station == subscription.user) {
                let Some(caller) = self.legs.get(*of as usize) else { continue };
                let tag = |text: &str| text.rsplit_once(";tag=").map_or("", |(_, tag)| tag).to_owned();
                dialogs.push_str(&format!(
                    "<dialog id=\"d{of}\" call-id=\"{}\" local-tag=\"{}\" remote-tag=\"{}\" direction=\"recipient\">\
                     <state>early</state><remote><identity>sip:{user}@{DOMAIN}</identity>\
                     <target uri=\"sip:{user}@{peer}\"/></remote></dialog>",
                    caller.call_id,
                    tag(&caller.theirs),
                    tag(&caller.own),
                    user = caller.user,
                    peer = self.place.peer,
                ));
            }
            let body = format!(
                "<?xml version=\"1.0\"?>\r\n<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"{}\" \
                 state=\"full\" entity=\"sip:{}@{DOMAIN}\">{dialogs}</dialog-info>\r\n",
                subscription.leg.version - 1,
                subscription.user,
            );
            ("application/dialog-info+xml", body)
        } else {
            let (new, old) = self.messages.get(&subscription.user).copied().unwrap_or_default();
            let waiting = if new > 0 { "yes" } else { "no" };
            let body = format!("Messages-Waiting: {waiting}\r\nVoice-Message: {new}/{old}\r\n");
            ("application/simple-message-summary", body)
        };
        let text = subscription.leg.request("NOTIFY", &branch, &fields, Body::Other(kind, &body));
        self.out.push_back(text);
    }
}
