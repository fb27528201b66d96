//! The hot paths through pingora's traits.

use crate::{AnyError, BODY_BYTES, HEAD_LINES, KEY_COUNT, key_name};
use bytes::Bytes;
use pingora_cache::trace::Span;
use pingora_cache::{CacheKey, CacheMeta, Storage};
use pingora_http::ResponseHeader;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

pub(crate) struct Bridged {
    storage: &'static (dyn Storage + Sync),
    stored: Vec<CacheKey>,
    span: Span,
}

impl Bridged {
    pub(crate) async fn fill(storage: Arc<dyn forebay_core::Storage>) -> Result<Self, AnyError> {
        let bridged = Bridged {
            storage: forebay_pingora::leak(storage),
            stored: (0..KEY_COUNT)
                .map(|index| CacheKey::new(key_name(index), ""))
                .collect(),
            span: Span::inactive(),
        };
        let (meta, body) = (meta()?, Bytes::from(vec![b'x'; BODY_BYTES]));
        let trace = bridged.span.handle();
        for key in &bridged.stored {
            let mut miss = bridged.storage.get_miss_handler(key, &meta, &trace).await?;
            miss.write_body(body.clone(), true).await?;
            miss.finish().await?;
        }
        Ok(bridged)
    }

    /// Hits, one after the other.
    pub(crate) async fn run(&self, operations: usize) -> Result<(), AnyError> {
        let trace = self.span.handle();
        for key in self.stored.iter().cycle().take(operations) {
            let found = self.storage.lookup(key, &trace).await?;
            let (meta, mut hit) = found.ok_or("what was stored is a miss")?;
            black_box(meta);
            let mut read_bytes = 0;
            while let Some(chunk) = hit.read_body().await? {
                read_bytes += chunk.len();
            }
            if read_bytes != BODY_BYTES {
                return Err(format!("a body of {read_bytes} bytes instead of {BODY_BYTES}").into());
            }
            hit.finish(self.storage, key, &trace).await?;
        }
        Ok(())
    }
}

fn meta() -> Result<CacheMeta, AnyError> {
    let mut head = ResponseHeader::build(200, Some(HEAD_LINES.len()))?;
    for (name, value) in HEAD_LINES {
        head.append_header(name, value)?;
    }
    // Any time will do: storages return stale entries too.
    let created = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    Ok(CacheMeta::new(
        created + Duration::from_secs(86_400),
        created,
        60,
        0,
        head,
    ))
}
