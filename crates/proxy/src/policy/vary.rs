//! Tells variants of a resource apart: which request fields select one, and their values in a normal form.

use http::header::{ACCEPT, ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_LANGUAGE, HeaderMap, HeaderName, VARY};

use super::list::{members, quoted_len};

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
        value.extend(codings(lines()));
    } else if [ACCEPT, ACCEPT_LANGUAGE, ACCEPT_CHARSET].contains(name) {
        // In their order: among equal weights, many origins take the first.
        let list: Vec<Vec<u8>> = lines().flat_map(members).map(lowered).collect();
        value.extend(list.join(&b","[..]));
    } else {
        // Nothing is known of the field's syntax but that its lines form a list.
        let lines: Vec<&[u8]> = lines().map(<[u8]>::trim_ascii).collect();
        value.extend(lines.join(&b", "[..]));
    }
    value
}

/// Lower case without white space: case and blanks mean nothing in these fields, but within quotes.
fn lowered(member: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(member.len());
    let mut rest = member;
    while let Some(byte) = rest.first() {
        let taken = quoted_len(rest).unwrap_or(1);
        match taken {
            1 if byte.is_ascii_whitespace() => {}
            1 => out.push(byte.to_ascii_lowercase()),
            _ => out.extend_from_slice(&rest[..taken]),
        }
        rest = &rest[taken..];
    }
    out
}

/// A list of content codings, each once, in alphabetical order: their weights alone tell which is wanted more.
fn codings<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let members: Vec<Vec<u8>> = lines.flat_map(members).map(lowered).collect();
    let any_is_named = members.iter().any(|member| coding_name(member) == b"*");
    let normal = members
        .into_iter()
        .filter_map(|member| coding(member, any_is_named));
    let mut list: Vec<Vec<u8>> = normal.collect();
    list.sort_unstable();
    list.dedup();
    list.join(&b","[..])
}

fn coding_name(member: &[u8]) -> &[u8] {
    member.split(|b| *b == b';').next().unwrap_or_default()
}

/// A content coding with its weight in thousandths: `gzip;q=0.50` is `gzip;500`, full weight is left out.
fn coding(member: Vec<u8>, any_is_named: bool) -> Option<Vec<u8>> {
    let name: &[u8] = match coding_name(&member) {
        b"x-gzip" => b"gzip",
        b"x-compress" => b"compress",
        name => name,
    };
    let weight = member
        .split(|b| *b == b';')
        .skip(1)
        .find_map(|part| part.strip_prefix(b"q="))
        .map_or(Some(1000), thousandths);
    // What is not mentioned is refused, but for `identity`; where `*` is there, it is what that says.
    let is_refused_unless_mentioned = !any_is_named && name != b"identity";
    match weight {
        Some(1000) => Some(name.to_vec()),
        Some(0) if is_refused_unless_mentioned => None,
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
            (&["gzip;q=0, *"], &["*"], false),
            (&["gzip;q=0, *;q=0.5"], &["*;q=0.5"], false),
            (&["gzip;q=0, *"], &["*, x-gzip;q=0.0"], true),
            (&["gzip"], &["br"], false),
            (&[""], &[], false),
            (&["gzip;q=2"], &["gzip"], false),
        ] {
            assert_eq!(same(&ACCEPT_ENCODING, a, b), equal, "{a:?} {b:?}");
        }
    }

    #[test]
    fn case_and_blanks_mean_nothing_outside_quotes_and_the_order_of_a_list_does() {
        for (name, a, b, equal) in [
            (ACCEPT_LANGUAGE, "de-DE, en;q=0.5", "DE-de,en; q=0.5", true),
            (ACCEPT_LANGUAGE, "de, en;q=0.5", "en, de;q=0.5", false),
            (ACCEPT_LANGUAGE, "de, en", "en, de", false),
            (ACCEPT, "Text/HTML ; Level=1", "text/html;level=1", true),
            (ACCEPT, "a/b;p=\"X\"", "a/b;p=\"x\"", false),
            (ACCEPT, "a/b;p=\"x y\"", "a/b;p=\"xy\"", false),
            (ACCEPT, "A/b;p=\"X, y\"", "a/b ;P=\"X, y\"", true),
            (ACCEPT, "a/b;p=\"X", "a/b;p=\"x", true),
        ] {
            assert_eq!(same(&name, &[a], &[b]), equal, "{a} {b}");
        }
    }

    #[test]
    fn fields_of_unknown_syntax_keep_their_value() {
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
