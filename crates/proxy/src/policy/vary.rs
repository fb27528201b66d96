//! Tells variants of a resource apart: which request fields select one, and their values in a normal form.

use http::header::{ACCEPT, ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_LANGUAGE, HeaderMap, HeaderName, VARY};

use super::list::members;

/// What `Vary` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vary {
    /// One response for all requests.
    Nothing,
    /// These fields select the response: sorted, each once.
    Fields(Vec<HeaderName>),
    /// Something that no cache can see selects it: never reused.
    Any,
}

impl Vary {
    /// Reads `Vary` of a response. A name that is no field name counts as `*`.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut names = Vec::new();
        for line in headers.get_all(VARY) {
            for member in members(line.as_bytes()) {
                match HeaderName::from_bytes(member) {
                    Ok(name) if member != b"*" => names.push(name),
                    _ => return Self::Any,
                }
            }
        }
        names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        names.dedup();
        if names.is_empty() {
            Self::Nothing
        } else {
            Self::Fields(names)
        }
    }
}

/// A request field's value in a form in which requests that mean the same are equal bytes (RFC 9111, section 4.1).
///
/// An absent field and an empty one differ: no `Accept-Encoding` allows any coding, an empty one allows none.
pub fn selecting_value(request: &HeaderMap, name: &HeaderName) -> Vec<u8> {
    if !request.contains_key(name) {
        return b"absent".to_vec();
    }
    let lines = || request.get_all(name).iter().map(|line| line.as_bytes());
    let mut value = b"=".to_vec();
    if *name == ACCEPT_ENCODING {
        value.extend(sorted_list(lines(), coding));
    } else if [ACCEPT, ACCEPT_LANGUAGE, ACCEPT_CHARSET].contains(name) {
        value.extend(sorted_list(lines(), |member| Some(lowered(member))));
    } else {
        // Nothing is known of the field's syntax but that its lines form a list.
        let lines: Vec<&[u8]> = lines().map(<[u8]>::trim_ascii).collect();
        value.extend(lines.join(&b", "[..]));
    }
    value
}

fn sorted_list<'a>(
    lines: impl Iterator<Item = &'a [u8]>,
    normal: impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> Vec<u8> {
    let mut list: Vec<Vec<u8>> = lines.flat_map(|line| members(line)).filter_map(normal).collect();
    list.sort_unstable();
    list.dedup();
    list.join(&b","[..])
}

/// Lower case without white space: case and blanks mean nothing in these fields.
fn lowered(member: &[u8]) -> Vec<u8> {
    member
        .iter()
        .filter(|b| !b.is_ascii_whitespace())
        .map(u8::to_ascii_lowercase)
        .collect()
}

/// A content coding with its weight in thousandths: `gzip;q=0.50` is `gzip;500`, full weight is left out.
fn coding(member: &[u8]) -> Option<Vec<u8>> {
    let member = lowered(member);
    let mut parts = member.split(|b| *b == b';');
    let name: &[u8] = match parts.next()? {
        b"x-gzip" => b"gzip",
        b"x-compress" => b"compress",
        name => name,
    };
    let weight = parts
        .find_map(|part| part.strip_prefix(b"q="))
        .map_or(Some(1000), thousandths);
    match weight {
        Some(1000) => Some(name.to_vec()),
        // Refused explicitly is the same as not mentioned, but for `*` and `identity`, which are allowed by default.
        Some(0) if name != b"*" && name != b"identity" => None,
        Some(weight) => Some([name, b";", weight.to_string().as_bytes()].concat()),
        None => Some(member),
    }
}

fn thousandths(weight: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(weight).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let fraction = if fraction.is_empty() {
        0
    } else {
        format!("{fraction:0<3}").parse::<u32>().ok()?
    };
    match whole {
        "0" => Some(fraction),
        "1" if fraction == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn map(name: &HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn same(name: &HeaderName, a: &[&str], b: &[&str]) -> bool {
        selecting_value(&map(name, a), name) == selecting_value(&map(name, b), name)
    }

    #[test]
    fn vary_is_a_sorted_set_of_names_or_anything() {
        let fields =
            |names: &[&'static str]| Vary::Fields(names.iter().map(|n| HeaderName::from_static(n)).collect());
        for (values, expected) in [
            (&[][..], Vary::Nothing),
            (&[""], Vary::Nothing),
            (&["Accept"], fields(&["accept"])),
            (&["X-B, accept", "ACCEPT"], fields(&["accept", "x-b"])),
            (&["*"], Vary::Any),
            (&["accept, *"], Vary::Any),
            (&["accept", "*"], Vary::Any),
            (&["a b"], Vary::Any),
        ] {
            assert_eq!(Vary::of(&map(&VARY, values)), expected, "{values:?}");
        }
    }

    #[test]
    fn encodings_that_mean_the_same_select_the_same_variant() {
        for (a, b, equal) in [
            (&["gzip, br"][..], &["br,gzip"][..], true),
            (&["gzip", "br"], &["br , GZIP"], true),
            (&["gzip;q=1.0"], &["gzip"], true),
            (&["gzip; q=0.5"], &["gzip;q=0.500"], true),
            (&["x-gzip"], &["gzip"], true),
            (&["gzip, br;q=0"], &["gzip"], true),
            (&["gzip, gzip"], &["gzip"], true),
            (&["gzip;q=0.5, br"], &["br;q=0.5, gzip"], false),
            (&["gzip, identity;q=0"], &["gzip"], false),
            (&["gzip, *;q=0"], &["gzip"], false),
            (&["gzip"], &["br"], false),
            (&[""], &[], false),
            (&["gzip;q=2"], &["gzip"], false),
        ] {
            assert_eq!(same(&ACCEPT_ENCODING, a, b), equal, "{a:?} {b:?}");
        }
    }

    #[test]
    fn languages_ignore_case_space_and_order_and_unknown_fields_keep_their_value() {
        assert!(same(
            &ACCEPT_LANGUAGE,
            &["de-DE, en;q=0.5"],
            &["en; q=0.5", "DE-de"]
        ));
        assert!(!same(&ACCEPT_LANGUAGE, &["de, en;q=0.5"], &["en, de;q=0.5"]));
        let cookie = HeaderName::from_static("cookie");
        assert!(same(&cookie, &["a=1; b=2"], &[" a=1; b=2 "]));
        assert!(!same(&cookie, &["a=1; b=2"], &["A=1; b=2"]));
        assert!(!same(&cookie, &["a=1; b=2"], &["b=2; a=1"]));
    }

    #[test]
    fn no_value_imitates_an_absent_field() {
        let name = HeaderName::from_static("x-a");
        assert!(!same(&name, &["absent"], &[]));
    }
}
