//! Media without I/O: SDP offer and answer, RTP, RTCP, codecs, digits, jitter buffer, tones.
