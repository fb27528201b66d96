//! Takes comma-separated lists of header fields apart, quoted strings included.

/// The members of a comma-separated list, trimmed; commas within a closed quoted string do not separate.
pub(super) fn members(line: &[u8]) -> Vec<&[u8]> {
    let mut members = Vec::new();
    let mut rest = line;
    loop {
        let end = member_end(rest);
        let member = rest[..end].trim_ascii();
        if !member.is_empty() {
            members.push(member);
        }
        if end == rest.len() {
            return members;
        }
        rest = &rest[end + 1..];
    }
}

fn member_end(rest: &[u8]) -> usize {
    let mut at = 0;
    while at < rest.len() {
        match rest[at] {
            b',' => return at,
            // A quote that never closes hides nothing: what follows it is read as if it were not there.
            b'"' => at += quoted_len(&rest[at..]).unwrap_or(1),
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of the quoted string that `text` begins with, quotes included, if it begins with one and that closes.
pub(super) fn quoted_len(text: &[u8]) -> Option<usize> {
    if text.first() != Some(&b'"') {
        return None;
    }
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    None
}

/// A directive's name in lower case, and its value without quotes.
pub(super) fn split_member(member: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
    let mut parts = member.splitn(2, |b| *b == b'=');
    let name = parts.next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    (name, parts.next().map(|value| unquote(value.trim_ascii())))
}

fn unquote(value: &[u8]) -> Vec<u8> {
    let Some(inner) = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")) else {
        return value.to_vec();
    };
    let mut bytes = inner.iter();
    let mut out = Vec::with_capacity(inner.len());
    while let Some(byte) = bytes.next() {
        out.extend(if *byte == b'\\' { bytes.next() } else { Some(byte) });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_separate_unless_a_closed_quote_holds_them() {
        for (line, expected) in [
            ("", &[][..]),
            (" , ,", &[]),
            ("a, b ,c", &["a", "b", "c"]),
            ("a=\"b, c\", d", &["a=\"b, c\"", "d"]),
            ("a=\"b\\\", c\", d", &["a=\"b\\\", c\"", "d"]),
            ("a=\"b, c", &["a=\"b", "c"]),
            ("a=\"b\\", &["a=\"b\\"]),
        ] {
            let found: Vec<&str> = members(line.as_bytes())
                .iter()
                .map(|m| std::str::from_utf8(m).unwrap())
                .collect();
            assert_eq!(found, expected, "{line}");
        }
    }

    #[test]
    fn values_lose_their_quotes_and_escapes() {
        for (member, name, value) in [
            ("A", "a", None),
            ("a=", "a", Some("")),
            ("a = b", "a", Some("b")),
            ("a=\"b c\"", "a", Some("b c")),
            ("a=\"b\\\"c\"", "a", Some("b\"c")),
            ("a=\"", "a", Some("\"")),
            ("a=b=c", "a", Some("b=c")),
        ] {
            let expected = (name.as_bytes().to_vec(), value.map(|v| v.as_bytes().to_vec()));
            assert_eq!(split_member(member.as_bytes()), expected, "{member}");
        }
    }
}
