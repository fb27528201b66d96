//! What our meta has and pingora's has no place for, carried through pingora's in a header line of its own.

use super::version::{error_from_pingora, pingora_cache, pingora_http};
use super::{head, meta};
use bytes::Bytes;
use forebay_core::{CacheMeta, ErrorKind, ResponseHead, Result};
use http::HeaderName;
use pingora_cache::CacheMeta as PingoraMeta;
use pingora_http::ResponseHeader;
use std::collections::HashMap;
use std::vec::IntoIter;

/// The line that carries it, always the last of its name.
const LINE_NAME: &str = "x-forebay-meta";

/// For each line in pingora's order, where it stood in ours (empty where both orders are one); the opaque bytes.
type Carried = (Vec<u32>, Vec<u8>);

/// Our meta as pingora's, with nothing lost.
pub(crate) fn to_pingora(ours: &CacheMeta) -> Result<PingoraMeta> {
    let mut theirs = meta::to_pingora(ours, head::to_pingora)?;
    let order = order_changes(ours.head(), theirs.response_header());
    if order.is_empty() && ours.opaque().is_empty() && ours.head().get(LINE_NAME).is_none() {
        return Ok(theirs);
    }
    let carried: Carried = (order, ours.opaque().to_vec());
    let encoded = rmp_serde::to_vec(&carried).map_err(|cause| {
        ErrorKind::Refused.because("a meta that cannot be carried through pingora's", cause)
    })?;
    theirs
        .response_header_mut()
        .append_header(LINE_NAME, hex::encode(encoded))
        .map_err(error_from_pingora)?;
    Ok(theirs)
}

/// The meta that [`to_pingora`] made this of; or any other of pingora's.
pub(crate) fn from_pingora(theirs: &PingoraMeta) -> Result<CacheMeta> {
    let header = theirs.response_header();
    let mut lines: Vec<_> = head::lines(header).collect();
    let line = lines
        .iter()
        .rposition(|(name, _)| name.eq_ignore_ascii_case(LINE_NAME.as_bytes()));
    let Some((line, (order, opaque))) = line.and_then(|line| Some((line, decode(lines[line].1)?))) else {
        return meta::from_pingora(theirs);
    };
    lines.remove(line);
    let head = head::with_lines(header, in_order(lines, &order))?;
    Ok(meta::with_head_and_opaque(theirs, head, Bytes::from(opaque)))
}

fn decode(value: &[u8]) -> Option<Carried> {
    rmp_serde::from_slice(&hex::decode(value).ok()?).ok()
}

/// Pingora puts lines of one name next to each other. Within a name, order is kept.
fn order_changes(head: &ResponseHead, header: &ResponseHeader) -> Vec<u32> {
    let mut positions: HashMap<Vec<u8>, Vec<u32>> = HashMap::new();
    for (position, (name, _)) in (0..).zip(head.headers()) {
        positions
            .entry(name.to_ascii_lowercase())
            .or_default()
            .push(position);
    }
    let mut next: HashMap<Vec<u8>, IntoIter<u32>> = positions
        .into_iter()
        .map(|(name, positions)| (name, positions.into_iter()))
        .collect();
    let order: Vec<u32> = header
        .headers
        .iter()
        .filter_map(|(name, _): (&HeaderName, _)| next.get_mut(name.as_str().as_bytes())?.next())
        .collect();
    if order.is_sorted() { Vec::new() } else { order }
}

/// The lines in the order that they had; a storage that changed how many there are decides itself.
fn in_order<T>(lines: Vec<T>, order: &[u32]) -> impl Iterator<Item = T> {
    let mut placed: Vec<_> = if order.len() == lines.len() {
        order.iter().copied().zip(lines).collect()
    } else {
        (0..).zip(lines).collect()
    };
    placed.sort_by_key(|(position, _)| *position);
    placed.into_iter().map(|(_, line)| line)
}
