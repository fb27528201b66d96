//! Names of header lines that most responses have, and the numbers which stand for them in a stored head.

/// The names, in the two cases that they come in. A name's number is its place, counted from 1. New ones go to the end: stored heads have the numbers.
#[rustfmt::skip]
const NAMES: [&str; 126] = [
    "Accept-Ranges", "accept-ranges",
    "Access-Control-Allow-Credentials", "access-control-allow-credentials",
    "Access-Control-Allow-Headers", "access-control-allow-headers",
    "Access-Control-Allow-Methods", "access-control-allow-methods",
    "Access-Control-Allow-Origin", "access-control-allow-origin",
    "Access-Control-Expose-Headers", "access-control-expose-headers",
    "Access-Control-Max-Age", "access-control-max-age",
    "Age", "age",
    "Allow", "allow",
    "Alt-Svc", "alt-svc",
    "Cache-Control", "cache-control",
    "CDN-Cache-Control", "cdn-cache-control",
    "Cache-Status", "cache-status",
    "CF-Cache-Status", "cf-cache-status",
    "CF-RAY", "cf-ray",
    "Connection", "connection",
    "Content-Disposition", "content-disposition",
    "Content-Encoding", "content-encoding",
    "Content-Language", "content-language",
    "Content-Length", "content-length",
    "Content-Location", "content-location",
    "Content-MD5", "content-md5",
    "Content-Range", "content-range",
    "Content-Security-Policy", "content-security-policy",
    "Content-Type", "content-type",
    "Cross-Origin-Embedder-Policy", "cross-origin-embedder-policy",
    "Cross-Origin-Opener-Policy", "cross-origin-opener-policy",
    "Cross-Origin-Resource-Policy", "cross-origin-resource-policy",
    "Date", "date",
    "ETag", "etag",
    "Expires", "expires",
    "Keep-Alive", "keep-alive",
    "Last-Modified", "last-modified",
    "Link", "link",
    "Location", "location",
    "NEL", "nel",
    "Permissions-Policy", "permissions-policy",
    "Pragma", "pragma",
    "Referrer-Policy", "referrer-policy",
    "Report-To", "report-to",
    "Retry-After", "retry-after",
    "Server", "server",
    "Server-Timing", "server-timing",
    "Set-Cookie", "set-cookie",
    "Strict-Transport-Security", "strict-transport-security",
    "Surrogate-Control", "surrogate-control",
    "Surrogate-Key", "surrogate-key",
    "Timing-Allow-Origin", "timing-allow-origin",
    "Trailer", "trailer",
    "Transfer-Encoding", "transfer-encoding",
    "Upgrade", "upgrade",
    "Vary", "vary",
    "Via", "via",
    "Warning", "warning",
    "X-Amz-Request-Id", "x-amz-request-id",
    "X-Cache", "x-cache",
    "X-Cache-Hits", "x-cache-hits",
    "X-Content-Type-Options", "x-content-type-options",
    "X-Frame-Options", "x-frame-options",
    "X-Powered-By", "x-powered-by",
    "X-Request-Id", "x-request-id",
    "X-Served-By", "x-served-by",
    "X-XSS-Protection", "x-xss-protection",
];

const SLOTS: usize = 512;

/// For each hash, the number of the name that is looked for there first.
static BY_HASH: [u8; SLOTS] = {
    let mut slots = [0; SLOTS];
    let mut place = 0;
    while place < NAMES.len() {
        let mut slot = hash(NAMES[place].as_bytes());
        while slots[slot] != 0 {
            slot = (slot + 1) % SLOTS;
        }
        slots[slot] = place as u8 + 1;
        place += 1;
    }
    slots
};

const fn hash(name: &[u8]) -> usize {
    let (mut hash, mut i) = (0x811c_9dc5_u32, 0);
    while i < name.len() {
        hash = (hash ^ name[i] as u32).wrapping_mul(0x0100_0193);
        i += 1;
    }
    (hash ^ (hash >> 15)) as usize % SLOTS
}

/// The name that a number stands for.
pub(super) fn name_of(number: u32) -> Option<&'static str> {
    NAMES.get((number as usize).checked_sub(1)?).copied()
}

/// The number that stands for a name in this very case, and the name as it is kept here.
pub(super) fn find(name: &[u8]) -> Option<(u32, &'static str)> {
    let mut slot = hash(name);
    while BY_HASH[slot] != 0 {
        let number = u32::from(BY_HASH[slot]);
        match name_of(number) {
            Some(known) if known.as_bytes() == name => return Some((number, known)),
            _ => slot = (slot + 1) % SLOTS,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_by_its_number_and_the_number_by_the_name() {
        for (place, name) in NAMES.iter().enumerate() {
            let number = place as u32 + 1;
            assert_eq!(name_of(number), Some(*name));
            assert_eq!(find(name.as_bytes()), Some((number, *name)));
            assert_eq!(
                number.is_multiple_of(2),
                **name == name.to_ascii_lowercase(),
                "{name}"
            );
        }
        assert_eq!(name_of(0), None);
        assert_eq!(name_of(NAMES.len() as u32 + 1), None);
        assert_eq!(find(b"ETAG"), None);
        assert_eq!(find(b""), None);
    }
}
