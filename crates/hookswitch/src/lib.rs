//! A SIP telephony service provider: lines, calls, owners, hand-off.
