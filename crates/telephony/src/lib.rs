//! The application side: applications, privileges, ownership, hand-off, requests, events, timelines.
