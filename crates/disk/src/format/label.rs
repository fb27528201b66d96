//! What a record tells of its entry before the body: how its key reads, and the meta.

use super::checksum;
use bytes::{Buf, Bytes};
use forebay_core::CacheKey;

/// A key that is longer than this, namespace and primary together, is not kept: an entry is found by its hash.
pub(crate) const NAME_BYTES_MAX: usize = 4 << 10;

/// Namespace, primary and meta, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label {
    bytes: Bytes,
    lens: LabelLens,
}

/// How long the parts of a label are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LabelLens {
    pub(crate) namespace: u16,
    pub(crate) primary: u16,
    pub(crate) meta: u32,
}

impl LabelLens {
    /// Of what has none.
    pub(crate) const NONE: LabelLens = LabelLens {
        namespace: 0,
        primary: 0,
        meta: 0,
    };

    /// Namespace and primary together.
    pub(crate) fn name(self) -> usize {
        usize::from(self.namespace) + usize::from(self.primary)
    }

    pub(crate) fn all(self) -> usize {
        self.name() + self.meta as usize
    }
}

impl Label {
    /// The label of a new entry.
    pub(crate) fn new(key: &CacheKey, meta: &[u8]) -> Self {
        let (namespace, primary) = match (key.namespace(), key.primary_key()) {
            (namespace, primary) if namespace.len() + primary.len() <= NAME_BYTES_MAX => (namespace, primary),
            _ => Default::default(),
        };
        let lens = LabelLens {
            namespace: namespace.len() as u16,
            primary: primary.len() as u16,
            meta: meta.len() as u32, // fits: CacheMeta::encode refuses what would not
        };
        let bytes = [namespace, primary, meta].concat().into();
        Label { bytes, lens }
    }

    /// The bytes of one, which are as long as its parts.
    pub(crate) fn of(bytes: Bytes, lens: LabelLens) -> Self {
        debug_assert_eq!(bytes.len(), lens.all());
        Label { bytes, lens }
    }

    /// No label, as a tombstone has it.
    pub(crate) fn none() -> Self {
        Label::of(Bytes::new(), LabelLens::NONE)
    }

    /// The same with another meta.
    pub(crate) fn with_meta(&self, meta: &[u8]) -> Self {
        let name = &self.bytes[..self.lens.name()];
        let lens = LabelLens {
            meta: meta.len() as u32, // fits: CacheMeta::encode refuses what would not
            ..self.lens
        };
        Label::of([name, meta].concat().into(), lens)
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub(crate) fn lens(&self) -> LabelLens {
        self.lens
    }

    pub(crate) fn namespace(&self) -> Bytes {
        self.bytes.slice(..usize::from(self.lens.namespace))
    }

    pub(crate) fn primary(&self) -> Bytes {
        self.bytes
            .slice(usize::from(self.lens.namespace)..self.lens.name())
    }

    /// The encoded meta.
    pub(crate) fn meta(&self) -> Bytes {
        self.bytes.slice(self.lens.name()..)
    }

    /// The same, without another reference to the bytes.
    pub(crate) fn into_meta(mut self) -> Bytes {
        self.bytes.advance(self.lens.name());
        self.bytes
    }

    pub(crate) fn checksum(&self, seed: u64) -> u64 {
        checksum(&self.bytes, seed)
    }
}
