//! The beat of the reports and what they tell: round trip, and how the other side hears us.

use super::read::Received;
use super::write::{ReceptionFigures, Report, SenderFigures};
use super::{middle, ntp};
use crate::rtp::{Reception, RtpSender};
use hookswitch_machine::{Entropy, Time, WallClock};
use std::time::Duration;

/// The interval for two participants (RFC 3550 6.2: the minimum applies to every audio call).
const INTERVAL: Duration = Duration::from_secs(5);
/// A round trip above this is a broken clock on the other side.
const LONGEST_ROUND_TRIP: Duration = Duration::from_secs(60);

/// The RTCP half of an RTP session.
#[derive(Clone, Debug)]
pub struct RtcpSession {
    /// RFC 7022: random, says nothing of who or where we are.
    cname: Box<str>,
    wall: WallClock,
    next: Time,
    last: Option<Time>,
    last_sender_report: Option<(u32, Time)>,
    round_trip: Option<Duration>,
    remote_loss: Option<f32>,
}

impl RtcpSession {
    /// A session whose first report goes out after about half an interval (RFC 3550 6.2).
    pub fn new(now: Time, wall: WallClock, entropy: &mut Entropy) -> Self {
        Self {
            cname: format!("{:016x}{:08x}", entropy.next_u64(), entropy.next_u32()).into(),
            wall,
            next: now + randomised(INTERVAL / 2, entropy),
            last: None,
            last_sender_report: None,
            round_trip: None,
            remote_loss: None,
        }
    }

    /// When the next report is due.
    pub const fn next(&self) -> Time {
        self.next
    }

    /// The round trip, once a report on our reports has come.
    pub const fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// The share of our packets that the other side reported lost last, 0 to 1.
    pub const fn remote_loss(&self) -> Option<f32> {
        self.remote_loss
    }

    /// Writes the report that is due and sets the time of the next.
    pub fn report(
        &mut self,
        now: Time,
        bye: bool,
        sender: &RtpSender,
        reception: &mut Reception,
        entropy: &mut Entropy,
        buffer: &mut [u8],
    ) -> Option<usize> {
        let since = self.last.unwrap_or(Time::ZERO);
        // RFC 3550 6.4: a sender report if we have sent since the last report.
        let sends = sender.last_sent().is_some_and(|at| at >= since);
        let (packets, octets) = sender.source_totals();
        let (last_report, delay) = self.last_sender_report.map_or((0, 0), |(middle, at)| {
            let delay = (now.since(at).as_nanos() * 65_536 / 1_000_000_000).min(u128::from(u32::MAX));
            (middle, delay as u32)
        });
        let loss = reception.report_loss();
        let report = Report {
            ssrc: sender.ssrc(),
            sender: sends.then(|| SenderFigures {
                ntp: ntp(self.wall.unix(now)),
                rtp_timestamp: sender.timestamp(now),
                packets,
                octets,
            }),
            reception: reception.ssrc().map(|ssrc| ReceptionFigures {
                ssrc,
                fraction_lost: loss.fraction,
                lost: loss.cumulative,
                highest: reception.extended_highest(),
                jitter: reception.jitter_units(),
                last_report,
                delay,
            }),
            cname: &self.cname,
            bye,
        };
        self.last = Some(now);
        self.next = now + randomised(INTERVAL, entropy);
        report.write(buffer)
    }

    /// Takes a report of the other side.
    pub fn take(&mut self, now: Time, received: &Received) {
        if let Some(sender_report) = received.sender_report {
            self.last_sender_report = Some((sender_report, now));
        }
        let Some(on_us) = received.on_us else { return };
        self.remote_loss = Some(f32::from(on_us.fraction_lost) / 256.0);
        if on_us.last_report != 0 {
            // RFC 3550 6.4.1: now - LSR - DLSR, in 1/65,536 s.
            let arrival = middle(ntp(self.wall.unix(now)));
            let units = arrival.wrapping_sub(on_us.last_report).wrapping_sub(on_us.delay);
            // Slightly negative: clocks of coarse grain on a short path.
            let units = if units > u32::MAX / 2 { 0 } else { units };
            let round_trip = Duration::from_nanos(u64::from(units) * 1_000_000_000 / 65_536);
            if round_trip <= LONGEST_ROUND_TRIP {
                self.round_trip = Some(round_trip);
            }
        }
    }
}

/// RFC 3550 6.3.1: between half and one and a half of the interval, over e - 3/2.
fn randomised(interval: Duration, entropy: &mut Entropy) -> Duration {
    let micros = interval.as_micros() as u64;
    Duration::from_micros((micros / 2 + entropy.below(micros)) * 100_000 / 121_828)
}

#[cfg(test)]
mod tests {
    use super::super::MAX_REPORT;
    use super::*;

    #[test]
    fn the_round_trip_is_what_the_network_took() {
        let mut entropy = Entropy::from_number(5);
        let wall = WallClock::at_zero(Duration::from_secs(1_700_000_000));
        let start = Time::from_millis(1_000);
        let mut ours = RtcpSession::new(start, wall, &mut entropy);
        let mut theirs = RtcpSession::new(start, WallClock::default(), &mut entropy);
        let mut our_sender = RtpSender::new(start, 8_000, &mut entropy);
        let mut their_sender = RtpSender::new(start, 8_000, &mut entropy);
        let mut their_reception = Reception::new();
        let header = our_sender.next(start, true, 0, 0, 160);
        their_reception.take(header.ssrc, header.sequence, 160);
        their_sender.next(start, true, 0, 0, 160);

        let mut buffer = [0; MAX_REPORT];
        let mut none = Reception::new();
        let len = ours.report(start, false, &our_sender, &mut none, &mut entropy, &mut buffer).unwrap();
        let arrives = start + Duration::from_millis(30);
        theirs.take(arrives, &Received::read(&buffer[..len], their_sender.ssrc()).unwrap());
        let answers = arrives + Duration::from_millis(700);
        let len = theirs
            .report(answers, false, &their_sender, &mut their_reception, &mut entropy, &mut buffer)
            .unwrap();
        let back = answers + Duration::from_millis(50);
        ours.take(back, &Received::read(&buffer[..len], our_sender.ssrc()).unwrap());

        let round_trip = ours.round_trip().unwrap().as_micros();
        assert!((79_900..=80_100).contains(&round_trip), "{round_trip} us");
        assert_eq!(ours.remote_loss(), Some(0.0));
    }

    #[test]
    fn who_has_not_sent_is_a_receiver() {
        let mut entropy = Entropy::from_number(6);
        let mut session = RtcpSession::new(Time::ZERO, WallClock::default(), &mut entropy);
        let sender = RtpSender::new(Time::ZERO, 8_000, &mut entropy);
        let mut buffer = [0; MAX_REPORT];
        let now = session.next();
        let len =
            session.report(now, false, &sender, &mut Reception::new(), &mut entropy, &mut buffer).unwrap();
        assert_eq!(Received::read(&buffer[..len], 0).unwrap().sender_report, None);
        assert!(session.next() > now + INTERVAL / 3 && session.next() < now + INTERVAL * 2);
    }
}
