//! What can be seen of a message of ours at a glance: enough for a timeline, much cheaper than reading it.

/// The few facts of a message that a timeline wants.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Glance<'a> {
    pub(crate) method: &'a str,
    pub(crate) status: Option<u16>,
    pub(crate) cseq: u32,
    pub(crate) our_tag: &'a str,
    pub(crate) sdp: bool,
}

impl<'a> Glance<'a> {
    /// Looks at a message that this crate wrote; `None` if it is something else.
    pub(crate) fn at(bytes: &'a [u8]) -> Option<Self> {
        let head_end = find(bytes, b"\r\n\r\n")?;
        let head = std::str::from_utf8(bytes.get(..head_end)?).ok()?;
        let first = head.split("\r\n").next()?;
        let status = match first.strip_prefix("SIP/2.0 ") {
            Some(rest) => Some(rest.get(..3)?.parse().ok()?),
            None => None,
        };
        let (mut cseq, mut method, mut our_tag, mut sdp) = (0, "", None, false);
        for line in head.split("\r\n").skip(1) {
            // From holds our tag in requests, To in responses.
            let ours = if status.is_some() { "To: " } else { "From: " };
            if let Some(rest) = line.strip_prefix("CSeq: ") {
                let (number, name) = rest.split_once(' ')?;
                (cseq, method) = (number.parse().ok()?, name);
            } else if let Some(kind) = line.strip_prefix("Content-Type: ") {
                sdp = kind == "application/sdp";
            } else if let Some(rest) = line.strip_prefix(ours).or_else(|| line.strip_prefix("t: ")) {
                our_tag = rest.rsplit_once(";tag=").map(|(_, tag)| tag.split(';').next().unwrap_or(tag));
            }
        }
        Some(Self { method, status, cseq, our_tag: our_tag?, sdp })
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_responses_are_recognised() {
        let bye = b"BYE sip:a@b SIP/2.0\r\nFrom: <sip:us@x>;tag=h0-1-2-3\r\nTo: <sip:them@y>;tag=z\r\nCSeq: 7 BYE\r\n\r\n";
        let glance = Glance::at(bye);
        assert_eq!(
            glance,
            Some(Glance { method: "BYE", status: None, cseq: 7, our_tag: "h0-1-2-3", sdp: false })
        );
        let ok = b"SIP/2.0 200 OK\r\nFrom: <sip:them@y>;tag=z\r\nTo: <sip:us@x>;tag=h0-1-2-3\r\nCSeq: 1 INVITE\r\nContent-Type: application/sdp\r\n\r\nv=0";
        let glance = Glance::at(ok).map(|g| (g.status, g.method, g.our_tag, g.sdp));
        assert_eq!(glance, Some((Some(200), "INVITE", "h0-1-2-3", true)));
        assert_eq!(Glance::at(b"SIP/2.0 100 Trying\r\nTo: <sip:us@x>\r\nCSeq: 1 INVITE\r\n\r\n"), None);
    }
}
