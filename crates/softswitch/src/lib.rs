//! The embedded softswitch: registrar, forking proxy, echo, tone and music services.
