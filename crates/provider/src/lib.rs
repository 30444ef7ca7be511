//! The SIP service provider: profiles, lines as accounts, calls as dialogs, forwarding rules.
