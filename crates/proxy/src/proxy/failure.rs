//! Sorts pingora's errors: whether the origin can be reached, and which status tells the client.

use http::StatusCode;
use pingora_error::{Error, ErrorSource, ErrorType};
use pingora_proxy::Session;

use super::exchange::Exchange;
use crate::policy::cache_status::Forward;
use crate::policy::directives::Directives;
use crate::policy::stale::{self, Failure};

/// How the origin failed, for the policy.
pub(super) fn kind(error: &Error) -> Failure {
    use ErrorType::*;
    match error.etype() {
        HTTPStatus(code) => Failure::Status(*code),
        ConnectTimedout | ConnectRefused | ConnectNoRoute | ConnectError | ConnectProxyFailure
        | ConnectionClosed | ReadError | WriteError | ReadTimedout | WriteTimedout
            if *error.esource() == ErrorSource::Upstream =>
        {
            Failure::Unreachable
        }
        _ => Failure::Other,
    }
}

/// Whether what is stored may stand in for the response that failed so; if it does, the exchange is told.
pub(super) fn has_substitute(error: &Error, session: &mut Session, exchange: &mut Exchange) -> bool {
    let Some(meta) = session.cache.maybe_cache_meta() else {
        return false;
    };
    let failure = kind(error);
    let entry = Directives::of_response(meta.headers());
    if !stale::may_stand_in(failure, &entry, &exchange.demands) {
        return false;
    }
    match failure {
        Failure::Status(code) => exchange.forward_status = StatusCode::from_u16(code).ok(),
        // pingora closes the connection after this answer, whose head would promise to keep it.
        _ => session.set_keepalive(None),
    }
    true
}

/// The status that tells a client of an error, 0 where there is no client left to tell.
pub(super) fn status(error: &Error, exchange: &Exchange) -> u16 {
    use ErrorType::*;
    match (error.esource(), error.etype()) {
        (_, HTTPStatus(code)) => *code,
        (ErrorSource::Upstream, ConnectTimedout | ReadTimedout | WriteTimedout) => 504,
        // What is stored may not be served stale, and cannot be validated (RFC 9111, section 5.2.2.2).
        (ErrorSource::Upstream, _) if exchange.forward == Some(Forward::Stale) => 504,
        (ErrorSource::Upstream, _) => 502,
        (ErrorSource::Downstream, WriteError | ReadError | ConnectionClosed) => 0,
        (ErrorSource::Downstream, _) => 400,
        (ErrorSource::Internal | ErrorSource::Unset, _) => 500,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn error(kind: ErrorType, source: ErrorSource) -> Box<Error> {
        Error::create(kind, source, None, None)
    }

    #[test]
    fn only_an_origin_that_yields_no_response_is_unreachable() {
        use ErrorSource::{Downstream, Internal, Upstream};
        use ErrorType::*;
        for (kind, source, expected, code) in [
            (ConnectRefused, Upstream, Failure::Unreachable, 502),
            (ConnectTimedout, Upstream, Failure::Unreachable, 504),
            (ConnectionClosed, Upstream, Failure::Unreachable, 502),
            (ReadTimedout, Upstream, Failure::Unreachable, 504),
            (HTTPStatus(503), Upstream, Failure::Status(503), 503),
            (InvalidHTTPHeader, Upstream, Failure::Other, 502),
            (ConnectionClosed, Downstream, Failure::Other, 0),
            (InvalidHTTPHeader, Downstream, Failure::Other, 400),
            (InternalError, Internal, Failure::Other, 500),
        ] {
            let error = error(kind.clone(), source.clone());
            let exchange = Exchange::new(Arc::default());
            assert_eq!(super::kind(&error), expected, "{kind:?} {source:?}");
            assert_eq!(status(&error, &exchange), code, "{kind:?} {source:?}");
        }
    }

    #[test]
    fn an_entry_that_must_be_validated_and_cannot_be_is_a_gateway_timeout() {
        let mut exchange = Exchange::new(Arc::default());
        exchange.forward = Some(Forward::Stale);
        let refused = error(ErrorType::ConnectRefused, ErrorSource::Upstream);
        assert_eq!(status(&refused, &exchange), 504);
    }
}
