//! A caching reverse proxy on pingora: HTTP caching by the RFCs over a storage of forebay.
//!
//! [`policy`] is the part to copy: pure functions without pingora. `proxy` applies them at pingora's filters,
//! [`store`] says where entries are kept, and the rest makes a program of it.
//!
//! # Habits of pingora-proxy 0.9.1, and what becomes of them here
//!
//! | pingora | here |
//! |---|---|
//! | An interim response (1xx) is lost if it arrives together with a head that is stored. | Written to the client as it arrives. |
//! | A miss is answered with the stored head, without what may not be stored. | Those fields are put back for this one client. |
//! | A 304 refreshes five fields of the stored head. | All that RFC 9111 names. An entry that a 304 makes uncacheable is removed, unless its request said who asks (`Authorization` or `Cookie`). |
//! | After a stale answer for an unreachable origin the head says keep-alive and the connection closes. | The head says close. (After a 5xx both keep it.) |
//! | A HEAD becomes a GET and fills. | On a miss it stays a HEAD and fills nothing. On a stale entry it is a conditional GET, which validates or replaces the entry. |
//! | `Range` is stripped on a miss, and the whole body filled. | Kept: the client gets its 206 out of the fill, as soon as the range is there. Ranges need a stored `Content-Length`; without one the answer is the whole body. What is too large to be stored, or private and the like, is fetched once in vain, then passes by with its `Range`; what is private to requests with `Authorization` or `Cookie`, for those alone. |
//! | A body that grows beyond the size limit cuts the transfer. | It flows on and is not kept, up to a quarter of the capacity (in memory at most 64 MiB, or `--max-object-size` where that is more). Beyond that the first transfer is cut. The URL passes by from then on. |
//! | The body of a response without length ends where the connection does. | Passed on and not stored, since an origin that dies looks the same. |
//! | A request that arrives before the fill behind the last response has ended resets the connection. | It waits its turn. Where the client got less than is filled (a HEAD, a 206, a 304) the head says close, so that its next request need not wait. |
//! | A client that has had a response may keep its connection for ever. | It is let go when it asks for nothing more (`--client-timeout`). |
//! | A client that takes nothing of a head, or sends one in small pieces, is waited for without end. | Both have to be done in that time. |
//! | Every response is sent with a `Date` of now. | Left so. One that was older when it came says its `Age`, from the cache or not, and an `Expires` without `max-age` keeps its distance from `Date`. |
//! | HTTP/1.0 clients get chunks. | The connection ends their bodies. |
//! | Requests that it cannot parse are answered before any filter. | Left so: these 400s are the only responses without `Cache-Status`. |

mod access_log;
mod admin;
mod connection;
pub mod flags;
mod gathering;
mod metrics;
mod open_files;
mod origin;
mod pacing;
mod patience;
pub mod policy;
mod proxy;
mod purge;
pub mod server;
pub mod store;

/// The examples of the README are compiled as tests of this crate, which has all that they use.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
