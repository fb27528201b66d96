//! What the bridge is made of, whatever pingora's version: this module is compiled once for each, with a `version`
//! beside it that has what differs.

mod carried;
pub(super) mod from_pingora;
pub(super) mod head;
mod heads;
pub(super) mod key;
pub(super) mod meta;
pub(super) mod to_pingora;

use super::version;
use std::pin::Pin;

pub use from_pingora::FromPingora;
pub use to_pingora::ToPingora;

/// The future of a method of `#[async_trait]`. Where both sides have the same signature, the future of one is that of
/// the other: no box around the box.
pub(super) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
