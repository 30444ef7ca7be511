//! The softswitch in virtual time, with phones and with hand-written messages. No network.

mod bad_day;
mod calls;
mod chaos;
mod devices;
mod dialog;
mod extensions;
mod hostile;
mod orbits;
mod parking;
mod passing;
mod phone;
mod pickup;
mod redirection;
mod registration;
mod relay;
mod takeover;
mod watching;
mod world;
