//! A caching reverse proxy on pingora: HTTP caching by the RFCs over a storage of forebay.
//!
//! [`policy`] is the part to copy: pure functions without pingora. [`proxy`] applies them at pingora's filters,
//! [`store`] says where entries are kept, and the rest makes a program of it.

pub mod admin;
pub mod flags;
pub mod metrics;
pub mod policy;
pub mod proxy;
pub mod purge;
pub mod server;
pub mod store;
