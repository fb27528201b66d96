//! Ids of writes in progress, in the form of the byte strings that tags are.
//!
//! A [`HandleMiss`](crate::HandleMiss) lends its tag as `&[u8]`, so the bytes have to live in the handler. These types
//! hold an integer as exactly those bytes (big endian).

use std::array::TryFromSliceError;

macro_rules! write_id {
    ($name:ident, $integer:ty, $bytes:literal) => {
        #[doc = concat!("A write id of ", stringify!($bytes), " bytes, from and into a `", stringify!($integer), "`.")]
        ///
        /// ```
        #[doc = concat!("use forebay_core::streaming_write::", stringify!($name), ";")]
        ///
        #[doc = concat!("let id = ", stringify!($name), "::from(7);")]
        #[doc = concat!("let same = ", stringify!($name), "::try_from(id.as_bytes())?;")]
        #[doc = concat!("assert_eq!(", stringify!($integer), "::from(same), 7);")]
        /// # Ok::<(), std::array::TryFromSliceError>(())
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// The id as a tag: big endian.
            pub fn as_bytes(&self) -> &[u8] {
                &self.0
            }
        }

        impl From<$integer> for $name {
            fn from(id: $integer) -> Self {
                Self(id.to_be_bytes())
            }
        }

        impl From<$name> for $integer {
            fn from(id: $name) -> Self {
                <$integer>::from_be_bytes(id.0)
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = TryFromSliceError;

            fn try_from(tag: &[u8]) -> Result<Self, TryFromSliceError> {
                tag.try_into().map(Self)
            }
        }
    };
}

write_id!(U64WriteId, u64, 8);
write_id!(U32WriteId, u32, 4);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_big_endian() {
        assert_eq!(U64WriteId::from(1).as_bytes(), [0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(U32WriteId::from(0x0102_0304).as_bytes(), [1, 2, 3, 4]);
    }

    #[test]
    fn a_tag_of_a_wrong_length_is_an_error() {
        assert!(U64WriteId::try_from(&[0u8; 4][..]).is_err());
        assert!(U32WriteId::try_from(&[][..]).is_err());
    }
}
