//! Decides whether an outdated entry may stand in for an origin that fails (RFC 5861; RFC 9111, section 4.2.4).

use http::StatusCode;

use super::directives::Directives;
use super::request;

/// How the origin failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection, or none that yielded a response.
    Unreachable,
    /// It answered with this status.
    Status(u16),
    /// Anything else: a malformed response, an error of our own.
    Other,
}

/// Whether a stale entry may be served in place of this failure, its window being open.
///
/// Without `stale-if-error` from the origin that is so only where the origin cannot be reached: an error that it sends
/// itself is its answer.
pub fn may_stand_in(failure: Failure, entry: &Directives, client: &Directives) -> bool {
    if entry.forbids_stale() || request::refuses_stale(client) {
        return false;
    }
    match failure {
        Failure::Unreachable => true,
        Failure::Status(500 | 502 | 503 | 504) => entry.stale_if_error.is_some(),
        Failure::Status(_) | Failure::Other => false,
    }
}

/// Whether a full answer with this status says that the URL gives something else now than the outdated entry that it was asked
/// about, which then may not be served any more, though the answer itself is not stored (RFC 9111, section 4.3.3).
///
/// A part says nothing of the whole. Errors of the origin say nothing of the resource, nor does what it holds against this one
/// client (401, 403, 406) or where it sends it for now (302, 303, 307).
pub fn is_superseded_by(status: StatusCode) -> bool {
    let is_whole = status.is_success() && status != StatusCode::PARTIAL_CONTENT;
    is_whole || matches!(status.as_u16(), 301 | 308 | 404 | 410 | 451)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_status_needs_the_origins_word_and_a_dead_origin_does_not() {
        let plain = Directives::default();
        let explicit = Directives {
            stale_if_error: Some(60),
            ..Directives::default()
        };
        let strict = Directives {
            must_revalidate: true,
            ..explicit.clone()
        };
        for (failure, entry, expected) in [
            (Failure::Unreachable, &plain, true),
            (Failure::Unreachable, &strict, false),
            (Failure::Status(503), &plain, false),
            (Failure::Status(503), &explicit, true),
            (Failure::Status(503), &strict, false),
            (Failure::Status(501), &explicit, false),
            (Failure::Status(404), &explicit, false),
            (Failure::Other, &explicit, false),
        ] {
            assert_eq!(
                may_stand_in(failure, entry, &plain),
                expected,
                "{failure:?} {entry:?}"
            );
        }
        let impatient = Directives {
            max_age: Some(1),
            ..Directives::default()
        };
        assert!(!may_stand_in(Failure::Unreachable, &explicit, &impatient));
    }

    #[test]
    fn an_answer_about_the_resource_supersedes_and_an_error_does_not() {
        for (status, expected) in [
            (200, true),
            (204, true),
            (301, true),
            (308, true),
            (404, true),
            (410, true),
            (451, true),
            (206, false),
            (302, false),
            (304, false),
            (307, false),
            (400, false),
            (401, false),
            (403, false),
            (406, false),
            (416, false),
            (429, false),
            (500, false),
            (503, false),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(is_superseded_by(status), expected, "{status}");
        }
    }
}
