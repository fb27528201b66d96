//! Numbers in as few bytes as they need: seven bits a byte, the lowest first.

/// Appends a number.
pub(crate) fn put(out: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// The number at the start of the bytes, and what follows; `None` if there is none, or not in its shortest form.
pub(crate) fn get(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    if *first < 0x80 {
        return Some((u32::from(*first), rest));
    }
    let mut number = 0_u64;
    for (i, byte) in bytes.iter().take(5).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * i);
        if *byte < 0x80 {
            let shortest = *byte > 0;
            let number = u32::try_from(number).ok().filter(|_| shortest)?;
            return Some((number, &bytes[i + 1..]));
        }
    }
    None
}

/// As many bytes as the number before them says, and what follows.
pub(crate) fn split_sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = get(bytes)?;
    rest.split_at_checked(length as usize)
}

/// How many bytes a number takes.
pub(crate) fn len_bytes(number: u32) -> usize {
    (u32::BITS - (number | 1).leading_zeros()).div_ceil(7) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_comes_back_in_as_many_bytes_as_was_said() {
        for number in [0, 1, 127, 128, 16_383, 16_384, (1 << 28) - 1, 1 << 28, u32::MAX] {
            let mut out = Vec::new();
            put(&mut out, number);
            assert_eq!(out.len(), len_bytes(number), "{number}");
            out.push(7);
            assert_eq!(get(&out), Some((number, &[7][..])));
            assert_eq!(get(&out[..out.len() - 2]), None);
        }
    }

    #[test]
    fn what_no_number_was_written_as_is_none() {
        assert_eq!(get(&[0x80, 0]), None);
        assert_eq!(get(&[0xff; 5]), None);
        assert_eq!(get(&[0xff, 0xff, 0xff, 0xff, 0x1f]), None);
    }
}
