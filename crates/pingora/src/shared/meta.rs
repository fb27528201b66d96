//! Metas of one side as metas of the other.

use super::head::{self, HeadStyle};
use super::version::{self, error_from_pingora, pingora_cache, pingora_http};
use bytes::Bytes;
use forebay_core::{CacheMeta, ErrorKind, ResponseHead, Result};
use http::Version;
use pingora_cache::CacheMeta as PingoraMeta;
use pingora_http::ResponseHeader;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// Pingora's meta as ours.
///
/// # Errors
/// [`ErrorKind::Refused`] for times that pingora's encoding cannot express; [`ErrorKind::Misuse`] for a head that no
/// HTTP message could carry.
pub(crate) fn from_pingora(theirs: &PingoraMeta) -> Result<CacheMeta> {
    let head = head::from_pingora(theirs.response_header())?;
    let opaque = Extras::of(theirs).encode()?;
    Ok(with_head_and_opaque(theirs, head, opaque))
}

/// Pingora's meta as ours, but with this head and these opaque bytes.
pub(crate) fn with_head_and_opaque(theirs: &PingoraMeta, head: ResponseHead, opaque: Bytes) -> CacheMeta {
    let mut ours = CacheMeta::new(
        theirs.fresh_until(),
        theirs.created(),
        theirs.stale_while_revalidate_sec(),
        theirs.stale_if_error_sec(),
        head,
    );
    ours.set_updated(theirs.updated());
    ours.set_variance(theirs.variance());
    ours.set_opaque(opaque);
    ours
}

/// Our meta as pingora's, with the head that `to_header` makes of ours.
///
/// # Errors
/// Those of `to_header`; [`ErrorKind::Refused`] for what pingora cannot hold: a creation, revalidation or provenance
/// before 1970 unless all three are one.
pub(crate) fn to_pingora<H: Into<ResponseHeader>>(
    ours: &CacheMeta,
    to_header: impl FnOnce(&ResponseHead, HeadStyle) -> Result<H>,
) -> Result<PingoraMeta> {
    let extras = Extras::decode(ours.opaque());
    let header = to_header(ours.head(), extras.style)?;
    let provenance = extras.provenance.filter(|_| version::HAS_PROVENANCE);
    let provenance = provenance.unwrap_or(ours.created());
    let mut theirs = if ours.updated() == ours.created() && provenance == ours.created() {
        PingoraMeta::new(
            ours.fresh_until(),
            ours.created(),
            ours.stale_while_revalidate_sec(),
            ours.stale_if_error_sec(),
            header.into(),
        )
    } else {
        revalidated(ours, provenance, header.into())?
    };
    if let Some(variance) = ours.variance() {
        theirs.set_variance(variance);
    }
    if let Some(epoch) = extras.epoch_override {
        theirs.set_epoch_override(epoch);
    }
    if !ours.extensions().is_empty() {
        *theirs.extensions_mut() = ours.extensions().clone();
    }
    Ok(theirs)
}

/// A meta whose times of revalidation or provenance differ from its creation. Pingora has no setters for them; it takes
/// them from its own encoding of a meta, which stays readable from version to version.
fn revalidated(ours: &CacheMeta, provenance: SystemTime, header: ResponseHeader) -> Result<PingoraMeta> {
    let refused = "a revalidated entry that pingora cannot hold: it has a time before 1970";
    let internal = version::encode_fields((
        PINGORA_META_VERSION,
        ours.fresh_until().max(UNIX_EPOCH), // the exact value is set below
        ours.created(),
        ours.updated(),
        ours.stale_while_revalidate_sec(),
        ours.stale_if_error_sec(),
        None::<[u8; 16]>,   // variance: has a setter
        None::<SystemTime>, // epoch override: has a setter
        provenance,
    ))
    .map_err(|cause| ErrorKind::Refused.because(refused, cause))?;
    let mut theirs =
        PingoraMeta::deserialize(&internal, encoded_empty_header()?).map_err(error_from_pingora)?;
    version::expire_at(&mut theirs, ours.fresh_until());
    *theirs.response_header_mut() = header;
    Ok(theirs)
}

const PINGORA_META_VERSION: u8 = 2;

/// The fields of pingora's encoding in their order, of which a version may lack the last: version, the times (fresh until,
/// created, updated), the stale windows, variance, epoch override, provenance.
pub(crate) type Fields = (
    u8,
    SystemTime,
    SystemTime,
    SystemTime,
    u32,
    u32,
    Option<[u8; 16]>,
    Option<SystemTime>,
    SystemTime,
);

/// The least that pingora decodes as a head. Made when it is first needed, since pingora's compression is set up by
/// its first use.
fn encoded_empty_header() -> Result<&'static [u8]> {
    static ENCODED: OnceLock<Vec<u8>> = OnceLock::new();
    if let Some(encoded) = ENCODED.get() {
        return Ok(encoded);
    }
    let encoded = ResponseHeader::build(200, Some(0))
        .and_then(|empty| PingoraMeta::new(UNIX_EPOCH, UNIX_EPOCH, 0, 0, empty).serialize());
    let (_, encoded) = encoded.map_err(error_from_pingora)?;
    Ok(ENCODED.get_or_init(|| encoded))
}

/// What pingora's meta has and ours has no field for. It is kept in the opaque bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Extras {
    epoch_override: Option<SystemTime>,
    /// None where it is the creation.
    provenance: Option<SystemTime>,
    style: HeadStyle,
}

/// In front of the encoding: who wrote it, and in which version.
const EXTRAS_MAGIC: &[u8] = b"pingora\x01";
type EncodedExtras = (Option<SystemTime>, Option<SystemTime>, u8, bool);
const VERSIONS: [Version; 5] = [
    Version::HTTP_09,
    Version::HTTP_10,
    Version::HTTP_11,
    Version::HTTP_2,
    Version::HTTP_3,
];

impl Extras {
    fn of(theirs: &PingoraMeta) -> Self {
        Extras {
            epoch_override: theirs.epoch_override(),
            provenance: Some(version::provenance(theirs)).filter(|time| *time != theirs.created()),
            style: HeadStyle::of(theirs.response_header()),
        }
    }

    /// Empty where there is nothing to keep.
    fn encode(&self) -> Result<Bytes> {
        if *self == Extras::default() {
            return Ok(Bytes::new());
        }
        let version = VERSIONS.iter().position(|v| *v == self.style.version);
        let encoded: EncodedExtras = (
            self.epoch_override,
            self.provenance,
            version.map_or(u8::MAX, |index| index as u8),
            self.style.has_case,
        );
        let mut opaque = EXTRAS_MAGIC.to_vec();
        rmp_serde::encode::write(&mut opaque, &encoded).map_err(|cause| {
            ErrorKind::Refused.because("an epoch or provenance of an entry lies before 1970", cause)
        })?;
        Ok(opaque.into())
    }

    /// Bytes that somebody else put there say nothing about pingora's fields.
    fn decode(opaque: &[u8]) -> Self {
        let Some(encoded) = opaque.strip_prefix(EXTRAS_MAGIC) else {
            return Extras::default();
        };
        let Ok((epoch_override, provenance, version, has_case)) =
            rmp_serde::from_slice::<EncodedExtras>(encoded)
        else {
            return Extras::default();
        };
        let version = VERSIONS.get(usize::from(version)).copied();
        Extras {
            epoch_override,
            provenance,
            style: HeadStyle {
                version: version.unwrap_or_default(),
                has_case,
            },
        }
    }
}

#[cfg(test)]
mod tests;
