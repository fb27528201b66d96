//! pingora
