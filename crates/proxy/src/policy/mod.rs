//! The caching policy: what RFC 9111, 9213, 5861 and 9211 ask of a shared cache, as pure functions to copy.
//!
//! Nothing in here knows pingora, a socket or a clock: times come in as arguments, heads as `http` types. The proxy
//! asks one question per module:
//!
//! | module | question |
//! |---|---|
//! | [`directives`] | what do `Cache-Control`, `CDN-Cache-Control` and `Pragma` say? |
//! | [`target`] | which resource is meant, and what keys it? |
//! | [`freshness`] | may this response be stored, how long is it fresh, how old is it already? |
//! | [`request`] | may this stored entry answer this request as it is, and a part of it? may the request go on? |
//! | [`stale`] | may an outdated entry stand in for an origin that fails? |
//! | [`vary`] | which variant of the resource does this request select? |
//! | [`fields`] | which header fields are stored, forwarded, and taken over from a 304? |
//! | [`invalidation`] | which entries does this unsafe request make void? |
//! | [`cache_status`] | what does `Cache-Status` tell the client about all that? |

pub mod cache_status;
pub mod directives;
pub mod fields;
pub mod freshness;
pub mod invalidation;
mod list;
pub mod request;
pub mod stale;
pub mod target;
pub mod vary;
