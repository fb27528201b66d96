//! Errors of pingora 0.8 as errors of pingora 0.9, which are ours too, and back.

use forebay_core::Error;
use pingora_error::{ErrorSource, ErrorType, ImmutStr, RetryType};
use pingora_error_0_8::{
    Error as OldError, ErrorSource as OldSource, ErrorType as OldType, ImmutStr as OldStr,
    RetryType as OldRetry,
};

/// Type, source, retry, context and cause stay; a cause that is an error of pingora's stays one of its version.
#[expect(clippy::boxed_local, reason = "errors travel in boxes on both sides")]
pub(crate) fn error_from_pingora(old: Box<OldError>) -> Box<Error> {
    let old = *old;
    let source = match old.esource {
        OldSource::Upstream => ErrorSource::Upstream,
        OldSource::Downstream => ErrorSource::Downstream,
        OldSource::Internal => ErrorSource::Internal,
        OldSource::Unset => ErrorSource::Unset,
    };
    let context = old.context.map(|text| match text {
        OldStr::Static(text) => ImmutStr::Static(text),
        OldStr::Owned(text) => ImmutStr::Owned(text),
    });
    let mut error = Error::create(type_from_pingora(old.etype), source, context, old.cause);
    error.retry = match old.retry {
        OldRetry::Decided(retry) => RetryType::Decided(retry),
        OldRetry::ReusedOnly => RetryType::ReusedOnly,
    };
    error
}

/// The way back of [`error_from_pingora`].
#[expect(clippy::boxed_local, reason = "errors travel in boxes on both sides")]
pub(crate) fn error_to_pingora(error: Box<Error>) -> Box<OldError> {
    let error = *error;
    let source = match error.esource {
        ErrorSource::Upstream => OldSource::Upstream,
        ErrorSource::Downstream => OldSource::Downstream,
        ErrorSource::Internal => OldSource::Internal,
        ErrorSource::Unset => OldSource::Unset,
    };
    let context = error.context.map(|text| match text {
        ImmutStr::Static(text) => OldStr::Static(text),
        ImmutStr::Owned(text) => OldStr::Owned(text),
    });
    let mut old = OldError::create(type_to_pingora(error.etype), source, context, error.cause);
    old.retry = match error.retry {
        RetryType::Decided(retry) => OldRetry::Decided(retry),
        RetryType::ReusedOnly => OldRetry::ReusedOnly,
    };
    old
}

fn type_from_pingora(old: OldType) -> ErrorType {
    match old {
        OldType::HTTPStatus(status) => ErrorType::HTTPStatus(status),
        OldType::Custom(name) => ErrorType::Custom(name),
        OldType::CustomCode(name, code) => ErrorType::CustomCode(name, code),
        named => NAMED
            .iter()
            .find(|(old, _)| *old == named)
            .map_or(ErrorType::Custom(named.as_str()), |(_, new)| new.clone()),
    }
}

fn type_to_pingora(new: ErrorType) -> OldType {
    match new {
        ErrorType::HTTPStatus(status) => OldType::HTTPStatus(status),
        ErrorType::Custom(name) => OldType::Custom(name),
        ErrorType::CustomCode(name, code) => OldType::CustomCode(name, code),
        named => NAMED
            .iter()
            .find(|(_, new)| *new == named)
            .map_or(OldType::Custom(named.as_str()), |(old, _)| old.clone()),
    }
}

/// The types that are a name alone.
const NAMED: [(OldType, ErrorType); 29] = [
    (OldType::ConnectTimedout, ErrorType::ConnectTimedout),
    (OldType::ConnectRefused, ErrorType::ConnectRefused),
    (OldType::ConnectNoRoute, ErrorType::ConnectNoRoute),
    (OldType::TLSWantX509Lookup, ErrorType::TLSWantX509Lookup),
    (OldType::TLSHandshakeFailure, ErrorType::TLSHandshakeFailure),
    (OldType::TLSHandshakeTimedout, ErrorType::TLSHandshakeTimedout),
    (OldType::InvalidCert, ErrorType::InvalidCert),
    (OldType::HandshakeError, ErrorType::HandshakeError),
    (OldType::ConnectError, ErrorType::ConnectError),
    (OldType::BindError, ErrorType::BindError),
    (OldType::AcceptError, ErrorType::AcceptError),
    (OldType::SocketError, ErrorType::SocketError),
    (OldType::ConnectProxyFailure, ErrorType::ConnectProxyFailure),
    (OldType::InvalidHTTPHeader, ErrorType::InvalidHTTPHeader),
    (OldType::H1Error, ErrorType::H1Error),
    (OldType::H2Error, ErrorType::H2Error),
    (OldType::H2Downgrade, ErrorType::H2Downgrade),
    (OldType::InvalidH2, ErrorType::InvalidH2),
    (OldType::ReadError, ErrorType::ReadError),
    (OldType::WriteError, ErrorType::WriteError),
    (OldType::ReadTimedout, ErrorType::ReadTimedout),
    (OldType::WriteTimedout, ErrorType::WriteTimedout),
    (OldType::ConnectionClosed, ErrorType::ConnectionClosed),
    (OldType::FileOpenError, ErrorType::FileOpenError),
    (OldType::FileCreateError, ErrorType::FileCreateError),
    (OldType::FileReadError, ErrorType::FileReadError),
    (OldType::FileWriteError, ErrorType::FileWriteError),
    (OldType::InternalError, ErrorType::InternalError),
    (OldType::UnknownError, ErrorType::UnknownError),
];

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_core::ErrorKind;

    #[test]
    fn a_type_keeps_its_name() {
        for (old, new) in NAMED {
            assert_eq!(old.as_str(), new.as_str());
            assert_eq!(type_from_pingora(old.clone()), new);
            assert_eq!(type_to_pingora(new), old);
        }
        let code = OldType::CustomCode("x", 7);
        assert_eq!(type_to_pingora(type_from_pingora(code.clone())), code);
        assert_eq!(
            type_from_pingora(OldType::HTTPStatus(404)),
            ErrorType::HTTPStatus(404)
        );
    }

    #[test]
    fn an_error_goes_there_and_back_whole() {
        let mut error = ErrorKind::StorageFailed.because("append", std::io::Error::other("disk on fire"));
        error.retry = RetryType::ReusedOnly;
        let text = error.to_string();
        let old = error_to_pingora(error);
        assert_eq!(old.to_string(), text);
        assert_eq!(old.retry, OldRetry::ReusedOnly);
        let back = error_from_pingora(old);
        assert_eq!(ErrorKind::of(&back), Some(ErrorKind::StorageFailed));
        assert_eq!(back.to_string(), text);
        assert_eq!(back.retry, RetryType::ReusedOnly);
    }
}
