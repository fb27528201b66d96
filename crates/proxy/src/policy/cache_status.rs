//! Says in `Cache-Status` how a response came about (RFC 9211).

use std::fmt::{self, Write as _};

use http::HeaderValue;

/// The field's name.
pub const CACHE_STATUS: &str = "Cache-Status";

const USUAL_BYTES: usize = 64;

/// Why a request went to the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forward {
    /// The cache does not handle such requests.
    Bypass,
    /// The method requires it.
    Method,
    /// Nothing was stored that could answer it.
    Miss,
    /// What was stored was fresh, but the request demanded otherwise.
    Request,
    /// What was stored was stale.
    Stale,
}

impl Forward {
    fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::Miss => "miss",
            Self::Request => "request",
            Self::Stale => "stale",
        }
    }
}

/// This cache's member of the field. Neither hit nor forwarded is an answer of the proxy's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStatus {
    /// Why the request was forwarded; `None` for a hit and for the proxy's own answers.
    pub forward: Option<Forward>,
    /// The response came from the cache without asking the origin.
    pub hit: bool,
    /// The status that the origin answered with, where it is not that of the response.
    pub forward_status: Option<u16>,
    /// The response is being stored.
    pub stored: bool,
    /// The request waited for another one's fill.
    pub collapsed: bool,
    /// For how many seconds the response is fresh; negative once it is stale.
    pub ttl_secs: Option<i64>,
    /// A token that tells more; anything else is left out.
    pub detail: Option<&'static str>,
}

impl CacheStatus {
    /// The member as the value of a field.
    pub fn to_value(&self) -> HeaderValue {
        // Room for the usual member, so that it is one allocation.
        let mut text = String::with_capacity(USUAL_BYTES);
        // Writing to a string cannot fail.
        let _ = write!(text, "{self}");
        // Tokens and numbers are all it has, so that it is always a value.
        HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("forebay"))
    }
}

impl fmt::Display for CacheStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("forebay")?;
        if self.hit {
            f.write_str("; hit")?;
        }
        if let Some(forward) = self.forward.filter(|_| !self.hit) {
            write!(f, "; fwd={}", forward.as_str())?;
        }
        if let Some(status) = self.forward_status {
            write!(f, "; fwd-status={status}")?;
        }
        if self.stored {
            f.write_str("; stored")?;
        }
        if self.collapsed {
            f.write_str("; collapsed")?;
        }
        if let Some(ttl) = self.ttl_secs {
            write!(f, "; ttl={ttl}")?;
        }
        match self.detail {
            Some(detail) if is_token(detail) => write!(f, "; detail={detail}"),
            _ => Ok(()),
        }
    }
}

fn is_token(text: &str) -> bool {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&b);
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.bytes().all(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_a_structured_field_item() {
        let none = CacheStatus::default();
        let forward = |forward| CacheStatus {
            forward: Some(forward),
            ..none
        };
        for (status, expected) in [
            (none, "forebay"),
            (
                CacheStatus {
                    hit: true,
                    ttl_secs: Some(-3),
                    ..none
                },
                "forebay; hit; ttl=-3",
            ),
            (
                CacheStatus {
                    stored: true,
                    ..forward(Forward::Miss)
                },
                "forebay; fwd=miss; stored",
            ),
            (
                CacheStatus {
                    forward_status: Some(304),
                    ..forward(Forward::Stale)
                },
                "forebay; fwd=stale; fwd-status=304",
            ),
            (
                CacheStatus {
                    detail: Some("no-store"),
                    collapsed: true,
                    ..forward(Forward::Miss)
                },
                "forebay; fwd=miss; collapsed; detail=no-store",
            ),
            (
                CacheStatus {
                    detail: Some("not a token"),
                    ..forward(Forward::Bypass)
                },
                "forebay; fwd=bypass",
            ),
        ] {
            assert_eq!(status.to_string(), expected);
            sfv::Parser::parse_list(expected.as_bytes()).unwrap();
        }
    }
}
