//! What a stream has once an answer has settled its parameters.

use super::config::StreamConfig;
use super::liveness::Liveness;
use super::playout::Playout;
use crate::control::StreamParameters;
use crate::dtmf::DigitReceiver;
use crate::rtcp::RtcpSession;
use crate::rtp::{Latch, Reception, RtpSender};
use hookswitch_machine::{Entropy, Time, WallClock};
use std::net::SocketAddr;
use std::time::Duration;

/// Samples of the longest packet sent: 60 ms at 16 kHz.
pub(super) const MAX_SAMPLES: usize = 960;
/// Octets of the longest payload sent: well below what an Ethernet carries.
const MAX_OCTETS: usize = 1_280;

/// An RTP session with one other side.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) parameters: StreamParameters,
    pub(super) latch: Latch,
    /// Where their RTCP really comes from, if it is not multiplexed.
    pub(super) rtcp_found: Option<SocketAddr>,
    pub(super) sender: RtpSender,
    pub(super) reception: Reception,
    pub(super) rtcp: RtcpSession,
    pub(super) digits: DigitReceiver,
    pub(super) playout: Option<Box<Playout>>,
    /// Late packets of playouts before this one.
    pub(super) late_before: u64,
    pub(super) liveness: Liveness,
    /// The beat: when the next packet is due.
    pub(super) next_packet: Time,
}

impl Session {
    pub(super) fn new(
        now: Time,
        parameters: &StreamParameters,
        config: &StreamConfig,
        wall: WallClock,
        entropy: &mut Entropy,
    ) -> Self {
        let parameters = settle(parameters);
        // Calls that begin together shall not send together.
        let phase = Duration::from_micros(entropy.below(parameters.packet_time.as_micros() as u64));
        Self {
            latch: Latch::new(parameters.remote_rtp, config.latch_patience),
            rtcp_found: None,
            sender: RtpSender::new(now, parameters.codec.rate(), entropy),
            reception: Reception::new(),
            rtcp: RtcpSession::new(now, wall, entropy),
            digits: DigitReceiver::new(),
            playout: None,
            late_before: 0,
            liveness: Liveness::new(now),
            next_packet: now + phase,
            parameters,
        }
    }

    /// Takes the outcome of a later offer and answer.
    pub(super) fn change(&mut self, now: Time, parameters: &StreamParameters, entropy: &mut Entropy) {
        let parameters = settle(parameters);
        self.sender.set_rate(now, parameters.codec.rate(), entropy);
        self.latch.signal(parameters.remote_rtp);
        if parameters.remote_rtcp != self.parameters.remote_rtcp || parameters.rtcp_mux {
            self.rtcp_found = None;
        }
        if parameters.direction.receives() != self.parameters.direction.receives() {
            self.liveness.restart(now);
        }
        if parameters.codec != self.parameters.codec {
            self.drop_playout();
        }
        self.parameters = parameters;
    }

    pub(super) fn drop_playout(&mut self) {
        if let Some(playout) = self.playout.take() {
            self.late_before += playout.late();
        }
    }

    /// Packets that came too late to be heard.
    pub(super) fn late(&self) -> u64 {
        self.late_before + self.playout.as_ref().map_or(0, |playout| playout.late())
    }

    /// Samples in a packet that we send.
    pub(super) fn samples(&self) -> usize {
        self.parameters.codec.samples_per_packet(self.parameters.packet_time).min(MAX_SAMPLES)
    }

    /// Moves the beat on, in whole packet times, so that the next packet is due now or later. Returns how many were left out.
    pub(super) fn catch_up(&mut self, now: Time) -> u64 {
        let packet_time = self.parameters.packet_time;
        let behind = now.since(self.next_packet);
        let missed = behind.as_nanos().div_ceil(packet_time.as_nanos().max(1)) as u64;
        self.next_packet =
            self.next_packet + Duration::from_nanos((packet_time.as_nanos() as u64).saturating_mul(missed));
        missed
    }

    /// Where RTCP goes, and whether it goes over the RTP socket.
    pub(super) fn rtcp_target(&self) -> Option<(SocketAddr, bool)> {
        if self.parameters.rtcp_mux {
            return self.latch.target().map(|target| (target, true));
        }
        let target = self.rtcp_found.unwrap_or(self.parameters.remote_rtcp);
        (target.port() != 0 && !target.ip().is_unspecified()).then_some((target, false))
    }
}

/// Parameters within what is sent here: packets of 10 to 60 ms that no network cuts.
fn settle(parameters: &StreamParameters) -> StreamParameters {
    let mut parameters = parameters.clone();
    let millis = parameters.packet_time.as_millis().clamp(10, 60) as u64;
    parameters.packet_time = Duration::from_millis(millis - millis % 5);
    if parameters.codec.octets_per_packet(parameters.packet_time) > MAX_OCTETS {
        parameters.packet_time = Duration::from_millis(20);
    }
    parameters
}
