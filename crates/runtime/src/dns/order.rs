//! In which order records are used.

use hookswitch_machine::{Entropy, Transport};

/// What matters of an SRV record (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) port: u16,
    pub(super) host: String,
}

/// What matters of a NAPTR record (RFC 3403) whose flag is `s`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    pub(super) order: u16,
    pub(super) preference: u16,
    pub(super) transport: Transport,
    /// Where to look for SRV records.
    pub(super) replacement: String,
}

/// The transport of a NAPTR service field (RFC 3263 4.1); `None` for those that we do not speak.
pub(super) fn transport_of(service: &[u8]) -> Option<Transport> {
    if service.eq_ignore_ascii_case(b"SIP+D2U") {
        Some(Transport::Udp)
    } else if service.eq_ignore_ascii_case(b"SIP+D2T") {
        Some(Transport::Tcp)
    } else {
        None
    }
}

/// RFC 2782: lowest priority first; within one, each next record is drawn with a chance in proportion to its weight.
pub(super) fn services(mut records: Vec<Service>, chance: &mut Entropy) -> Vec<Service> {
    // A single record with the root as its target: the service is decidedly not available here.
    records.retain(|record| record.host != ".");
    // Records of weight 0 come first, so that they too have a small chance.
    records.sort_by_key(|record| (record.priority, record.weight));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(priority) = records.first().map(|record| record.priority) {
        let group = records.iter().take_while(|record| record.priority == priority);
        let total: u64 = group.map(|record| u64::from(record.weight)).sum();
        let drawn = chance.below(total + 1);
        let mut sum = 0;
        let chosen = records.iter().position(|record| {
            sum += u64::from(record.weight);
            sum >= drawn
        });
        ordered.push(records.remove(chosen.unwrap_or(0)));
    }
    ordered
}

/// RFC 3403 4.1: by order, then by preference.
pub(super) fn pointers(mut records: Vec<Pointer>) -> Vec<Pointer> {
    records.sort_by_key(|record| (record.order, record.preference));
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(priority: u16, weight: u16, host: &str) -> Service {
        Service { priority, weight, port: 5060, host: host.to_owned() }
    }

    #[test]
    fn lower_priorities_come_first_whatever_their_weight() {
        let mut chance = Entropy::from_number(1);
        for _ in 0..100 {
            let records = vec![service(20, 65_535, "c."), service(10, 0, "a."), service(10, 5, "b.")];
            let ordered = services(records, &mut chance);
            assert_eq!(ordered.last().map(|record| record.host.as_str()), Some("c."));
            assert_eq!(ordered.len(), 3);
        }
    }

    #[test]
    fn weights_are_proportions() {
        let mut chance = Entropy::from_number(2);
        let mut first = 0;
        for _ in 0..10_000 {
            let ordered = services(vec![service(1, 300, "a."), service(1, 100, "b.")], &mut chance);
            first += u32::from(ordered[0].host == "a.");
        }
        assert!((7_200..7_800).contains(&first), "{first} of 10000, expected about 7500");
    }

    #[test]
    fn the_root_as_target_means_no_service() {
        assert!(services(vec![service(0, 0, ".")], &mut Entropy::from_number(3)).is_empty());
    }

    #[test]
    fn pointers_go_by_order_then_preference() {
        let pointer = |order, preference, transport| Pointer {
            order,
            preference,
            transport,
            replacement: String::new(),
        };
        let ordered = pointers(vec![
            pointer(20, 1, Transport::Udp),
            pointer(10, 5, Transport::Udp),
            pointer(10, 2, Transport::Tcp),
        ]);
        let keys: Vec<_> = ordered.iter().map(|record| (record.order, record.preference)).collect();
        assert_eq!(keys, [(10, 2), (10, 5), (20, 1)]);
        assert_eq!(transport_of(b"sip+d2t"), Some(Transport::Tcp));
        assert_eq!(transport_of(b"SIPS+D2T"), None);
    }
}
