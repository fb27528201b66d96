//! Reads `Cache-Control` and its targeted sibling `CDN-Cache-Control` into one set of directives.

use http::header::{CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue, PRAGMA};
use sfv::{BareItem, ListEntry, Parser};

use super::list::{members, split_member};

/// What a cache takes a number of seconds for that it cannot hold (RFC 9111, section 1.2.2).
pub const SECONDS_MAX: u32 = 1 << 31;

/// The targeted field that this cache obeys instead of `Cache-Control` (RFC 9213).
pub const TARGETED_FIELD: HeaderName = HeaderName::from_static("cdn-cache-control");

/// How far `no-cache` and `private` reach: with field names they bind these fields alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// The directive is not there.
    #[default]
    Nothing,
    /// The directive names these fields.
    Fields(Vec<HeaderName>),
    /// The directive binds the whole response.
    Whole,
}

/// The directives of one message. Durations are in seconds.
///
/// Where a directive is repeated, the first counts; a `max-age` or `s-maxage` that is no number counts as 0, since a
/// response with broken freshness is better taken as stale (RFC 9111, section 4.2.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    /// `max-age`
    pub max_age: Option<u32>,
    /// `s-maxage`
    pub s_maxage: Option<u32>,
    /// `stale-while-revalidate`
    pub stale_while_revalidate: Option<u32>,
    /// `stale-if-error`
    pub stale_if_error: Option<u32>,
    /// `min-fresh` of a request
    pub min_fresh: Option<u32>,
    /// `max-stale` of a request; [`SECONDS_MAX`] where it names no limit
    pub max_stale: Option<u32>,
    /// `no-cache`
    pub no_cache: Reach,
    /// `private`
    pub private: Reach,
    /// `no-store`
    pub no_store: bool,
    /// `public`
    pub public: bool,
    /// `must-revalidate`
    pub must_revalidate: bool,
    /// `proxy-revalidate`
    pub proxy_revalidate: bool,
    /// `must-understand`
    pub must_understand: bool,
    /// `only-if-cached` of a request
    pub only_if_cached: bool,
    /// They come from the targeted field, so that `Expires` is ignored as well.
    pub targeted: bool,
}

impl Directives {
    /// The directives that bind this cache in a response: those of [`TARGETED_FIELD`] if it is there, not empty and
    /// well formed, else those of `Cache-Control`.
    pub fn of_response(headers: &HeaderMap) -> Self {
        targeted(headers).unwrap_or_else(|| Self::of_field(headers, &CACHE_CONTROL))
    }

    /// The directives of a request. `Pragma: no-cache` counts where there is no `Cache-Control`.
    pub fn of_request(headers: &HeaderMap) -> Self {
        let mut directives = Self::of_field(headers, &CACHE_CONTROL);
        let pragma_no_cache = || {
            let mut lines = headers.get_all(PRAGMA).iter();
            lines.any(|line| {
                members(line.as_bytes())
                    .iter()
                    .any(|m| m.eq_ignore_ascii_case(b"no-cache"))
            })
        };
        if !headers.contains_key(CACHE_CONTROL) && pragma_no_cache() {
            directives.no_cache = Reach::Whole;
        }
        directives
    }

    /// Whether the origin forbids a shared cache to serve this response stale (RFC 9111, section 4.2.4).
    pub fn forbids_stale(&self) -> bool {
        self.must_revalidate
            || self.proxy_revalidate
            || self.s_maxage.is_some()
            || self.no_cache == Reach::Whole
    }

    fn of_field(headers: &HeaderMap, name: &HeaderName) -> Self {
        let mut directives = Self::default();
        for line in headers.get_all(name) {
            for member in members(line.as_bytes()) {
                let (name, value) = split_member(member);
                directives.set(&name, value.as_deref());
            }
        }
        directives
    }

    fn set(&mut self, name: &[u8], value: Option<&[u8]>) {
        match name {
            b"max-age" => first(&mut self.max_age, seconds(value).unwrap_or(0)),
            b"s-maxage" => first(&mut self.s_maxage, seconds(value).unwrap_or(0)),
            b"stale-while-revalidate" => {
                first(&mut self.stale_while_revalidate, seconds(value).unwrap_or(0));
            }
            b"stale-if-error" => first(&mut self.stale_if_error, seconds(value).unwrap_or(0)),
            b"min-fresh" => first(&mut self.min_fresh, seconds(value).unwrap_or(SECONDS_MAX)),
            b"max-stale" if value.is_none() => first(&mut self.max_stale, SECONDS_MAX),
            b"max-stale" => first(&mut self.max_stale, seconds(value).unwrap_or(0)),
            b"no-cache" => widen(&mut self.no_cache, value),
            b"private" => widen(&mut self.private, value),
            b"no-store" => self.no_store = true,
            b"public" => self.public = true,
            b"must-revalidate" => self.must_revalidate = true,
            b"proxy-revalidate" => self.proxy_revalidate = true,
            b"must-understand" => self.must_understand = true,
            b"only-if-cached" => self.only_if_cached = true,
            _ => {} // an unknown directive must be ignored
        }
    }
}

fn first(slot: &mut Option<u32>, value: u32) {
    slot.get_or_insert(value);
}

fn widen(reach: &mut Reach, value: Option<&[u8]>) {
    // Names that cannot be read are taken as the whole response: too careful rather than too free.
    let added = match value.map(field_names) {
        Some(Some(names)) => Reach::Fields(names),
        _ => Reach::Whole,
    };
    *reach = match (std::mem::take(reach), added) {
        (Reach::Whole, _) | (_, Reach::Whole) => Reach::Whole,
        (Reach::Fields(mut old), Reach::Fields(new)) => {
            old.extend(new);
            Reach::Fields(old)
        }
        (_, added) => added,
    };
}

fn field_names(list: &[u8]) -> Option<Vec<HeaderName>> {
    let names: Option<Vec<_>> = list
        .split(|b| *b == b',')
        .map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect();
    names.filter(|names| !names.is_empty())
}

fn seconds(value: Option<&[u8]>) -> Option<u32> {
    let digits = value?;
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // Only an overflow can fail here.
    let parsed = std::str::from_utf8(digits).ok()?.parse::<u32>();
    Some(parsed.unwrap_or(SECONDS_MAX).min(SECONDS_MAX))
}

/// The directives of the targeted field, unless it is absent, empty or malformed.
fn targeted(headers: &HeaderMap) -> Option<Directives> {
    let lines: Vec<&[u8]> = headers
        .get_all(TARGETED_FIELD)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if lines.is_empty() {
        return None;
    }
    let dictionary = Parser::parse_dictionary(&lines.join(&b", "[..])).ok()?;
    if dictionary.is_empty() {
        return None;
    }
    let mut directives = Directives {
        targeted: true,
        ..Directives::default()
    };
    for (name, entry) in &dictionary {
        let ListEntry::Item(item) = entry else { continue };
        match &item.bare_item {
            BareItem::Boolean(true) => directives.set(name.as_bytes(), None),
            BareItem::Integer(n) => directives.set(name.as_bytes(), Some(n.to_string().as_bytes())),
            BareItem::String(s) | BareItem::Token(s) => directives.set(name.as_bytes(), Some(s.as_bytes())),
            _ => {} // `?0`, decimals and byte sequences mean nothing for any directive
        }
    }
    Some(directives)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(lines: &[(&str, &str)]) -> Directives {
        Directives::of_response(&headers(lines))
    }

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        map
    }

    fn cc(value: &str) -> Directives {
        response(&[("cache-control", value)])
    }

    #[test]
    fn numbers_are_read_quoted_or_not_and_never_wrap() {
        for (value, expected) in [
            ("max-age=60", Some(60)),
            ("MAX-AGE=60", Some(60)),
            ("max-age=\"60\"", Some(60)),
            (" , max-age = 60 ,", Some(60)),
            ("max-age=4294967296", Some(SECONDS_MAX)),
            ("max-age=99999999999999999999", Some(SECONDS_MAX)),
            ("max-age=-1", Some(0)),
            ("max-age=1.5", Some(0)),
            ("max-age=abc", Some(0)),
            ("max-age", Some(0)),
            ("max-age=60, max-age=120", Some(60)),
            ("no-transform", None),
            ("x=\"max-age=60\"", None),
        ] {
            assert_eq!(cc(value).max_age, expected, "{value}");
        }
    }

    #[test]
    fn qualified_forms_bind_only_the_fields_they_name() {
        let cookie = Reach::Fields(vec![HeaderName::from_static("set-cookie")]);
        let both = Reach::Fields(vec![
            HeaderName::from_static("set-cookie"),
            HeaderName::from_static("x-id"),
        ]);
        for (value, expected) in [
            ("private", Reach::Whole),
            ("private=\"Set-Cookie\"", cookie.clone()),
            ("private=Set-Cookie", cookie.clone()),
            ("private=\"set-cookie, X-Id\", max-age=1", both.clone()),
            ("private=\"set-cookie\", private=x-id", both),
            ("private=\"set-cookie\", private", Reach::Whole),
            ("private=\"\"", Reach::Whole),
            ("private=\"a b\"", Reach::Whole),
            ("max-age=1", Reach::Nothing),
        ] {
            assert_eq!(cc(value).private, expected, "{value}");
        }
        assert_eq!(cc("no-cache=\"set-cookie\"").no_cache, cookie);
        assert_eq!(cc("no-cache").no_cache, Reach::Whole);
    }

    #[test]
    fn an_unclosed_quote_hides_no_directive() {
        assert!(cc("x=\"a, no-store").no_store);
        assert!(!cc("x=\"a, no-store\"").no_store);
        assert!(!cc("x=\"a\\\", no-store\"").no_store);
    }

    #[test]
    fn several_lines_are_one_list() {
        let d = response(&[("cache-control", "max-age=1"), ("cache-control", "no-store")]);
        assert_eq!((d.max_age, d.no_store), (Some(1), true));
    }

    #[test]
    fn the_targeted_field_replaces_cache_control_if_it_is_well_formed() {
        for (targeted, max_age) in [
            ("max-age=60", Some(60)),
            ("max-age=60, must-revalidate", Some(60)),
            ("must-revalidate", None),
            ("max-age=\"60\"", Some(60)),
            ("", Some(1)),            // empty: ignored
            ("max-age==60", Some(1)), // malformed: ignored
            ("Max-Age=60", Some(1)),  // keys of a dictionary are lower case: malformed
        ] {
            let d = response(&[("cache-control", "max-age=1"), ("cdn-cache-control", targeted)]);
            assert_eq!(d.max_age, max_age, "{targeted}");
        }
        let d = response(&[("cache-control", "no-store"), ("cdn-cache-control", "max-age=60")]);
        assert!(!d.no_store && d.targeted);
    }

    #[test]
    fn pragma_counts_only_without_cache_control() {
        let request = |lines: &[(&str, &str)]| Directives::of_request(&headers(lines)).no_cache;
        assert_eq!(request(&[("pragma", "foo, No-Cache")]), Reach::Whole);
        assert_eq!(
            request(&[("pragma", "no-cache"), ("cache-control", "max-age=5")]),
            Reach::Nothing
        );
        assert_eq!(request(&[("pragma", "foo")]), Reach::Nothing);
    }

    #[test]
    fn request_limits_are_read() {
        let request = |value| Directives::of_request(&headers(&[("cache-control", value)]));
        assert_eq!(request("max-stale").max_stale, Some(SECONDS_MAX));
        assert_eq!(request("max-stale=5").max_stale, Some(5));
        assert_eq!(request("max-stale=x").max_stale, Some(0));
        assert_eq!(request("min-fresh=5").min_fresh, Some(5));
        assert!(request("only-if-cached").only_if_cached);
    }
}
