//! The kinds of errors of a storage, as types of the error that flows into pingora unchanged.

use pingora_error::{Error, ErrorSource, ErrorType, ImmutStr};

/// Why a storage failed, what state remains, and whether trying again can help.
///
/// Every error of a forebay storage is a [`pingora_error::Error`] whose type names one of these kinds:
///
/// ```
/// use forebay_core::ErrorKind;
///
/// let error = ErrorKind::SeekOutOfRange.error("seek to 7 in a body of 5 bytes");
/// assert_eq!(ErrorKind::of(&error), Some(ErrorKind::SeekOutOfRange));
/// assert!(error.to_string().contains("seek to 7"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The writer that a follower read from was dropped before it was done. The bytes read so far are a prefix of a
    /// body that will never be whole. The entry is not stored; a new fetch can help.
    WriterAborted,
    /// Stored bytes do not match their checksum or their format. They were not handed out. The entry becomes a miss; a
    /// new fetch can help.
    Corrupt,
    /// A range outside of the body. The handler is as usable as before; the same range fails again.
    SeekOutOfRange,
    /// This backend or this handler cannot do it at all. Nothing changed.
    Unsupported,
    /// The entry was not admitted: too large, no room, or above a limit. Nothing of it is stored. A smaller entry, or
    /// the same one later, may be admitted.
    Refused,
    /// The medium failed (an I/O error, a full disk). Nothing of the entry is visible; other entries go on being
    /// served. Trying again may help once the medium recovers.
    StorageFailed,
    /// The caller broke the protocol, for instance by a write after `eof`, or asked for a storage that cannot be. Nothing
    /// changed.
    Misuse,
}

impl ErrorKind {
    const ALL: [ErrorKind; 7] = [
        ErrorKind::WriterAborted,
        ErrorKind::Corrupt,
        ErrorKind::SeekOutOfRange,
        ErrorKind::Unsupported,
        ErrorKind::Refused,
        ErrorKind::StorageFailed,
        ErrorKind::Misuse,
    ];

    /// The error type that carries this kind.
    pub const fn error_type(self) -> ErrorType {
        ErrorType::new(match self {
            ErrorKind::WriterAborted => "StorageWriterAborted",
            ErrorKind::Corrupt => "StorageCorrupt",
            ErrorKind::SeekOutOfRange => "StorageSeekOutOfRange",
            ErrorKind::Unsupported => "StorageUnsupported",
            ErrorKind::Refused => "StorageRefused",
            ErrorKind::StorageFailed => "StorageFailed",
            ErrorKind::Misuse => "StorageMisuse",
        })
    }

    /// The kind of an error, or `None` where it does not come from a forebay storage.
    pub fn of(error: &Error) -> Option<ErrorKind> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.error_type() == *error.etype())
    }

    /// An error of this kind; `context` says what happened to what.
    pub fn error(self, context: impl Into<ImmutStr>) -> Box<Error> {
        Error::create(
            self.error_type(),
            ErrorSource::Internal,
            Some(context.into()),
            None,
        )
    }

    /// An error of this kind with the error that caused it.
    pub fn because(
        self,
        context: impl Into<ImmutStr>,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Box<Error> {
        Error::create(
            self.error_type(),
            ErrorSource::Internal,
            Some(context.into()),
            Some(cause.into()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_again_in_its_error() {
        for kind in ErrorKind::ALL {
            assert_eq!(ErrorKind::of(&kind.error("context")), Some(kind));
        }
        assert_eq!(ErrorKind::of(&Error::new(ErrorType::InternalError)), None);
    }

    #[test]
    fn the_cause_is_part_of_the_text() {
        let error =
            ErrorKind::StorageFailed.because("append to segment 3", std::io::Error::other("disk on fire"));
        assert!(error.to_string().contains("append to segment 3"));
        assert!(error.to_string().contains("disk on fire"));
    }
}
