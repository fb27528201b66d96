//! Hit ratios: our stores as they are, beside textbook policies.

pub mod peers;
pub mod rings;
pub mod trace;

use crate::Failure;
use crate::objects::{self, key, meta};
use crate::timing;
use bytes::Bytes;
use forebay_core::{CacheMeta, SpanHandle, Storage};
use trace::Access;

/// Something that keeps what it is asked for, within its capacity.
pub trait Policy {
    /// Whether the object was there. Where it was not, it has been admitted, or not, as the policy decides.
    ///
    /// # Errors
    /// Where a real store fails.
    fn access(&mut self, access: Access) -> Result<bool, Failure>;
}

/// The share of hits in the second half of a trace; the first fills the cache.
pub fn hit_ratio(policy: &mut dyn Policy, trace: &[Access]) -> Result<f64, Failure> {
    let (warm_up, counted) = trace.split_at(trace.len() / 2);
    for access in warm_up {
        policy.access(*access)?;
    }
    let mut hits = 0_usize;
    for access in counted {
        hits += usize::from(policy.access(*access)?);
    }
    Ok(hits as f64 / counted.len().max(1) as f64)
}

/// A store of ours: looked up, and filled after a miss, as a proxy does it.
pub struct Real<S> {
    storage: S,
    meta: CacheMeta,
    body: Bytes,
}

impl<S: Storage> Real<S> {
    /// Drives a store whose bodies are at most this large.
    pub fn new(storage: S, body_bytes_max: u64) -> Result<Self, Failure> {
        let body = objects::body(body_bytes_max as usize);
        Ok(Real {
            storage,
            meta: meta()?,
            body,
        })
    }

    async fn look_up_or_fill(&self, access: Access) -> Result<bool, Failure> {
        let (key, trace) = (key(access.id), SpanHandle::none());
        if let Some((_, mut hit)) = self.storage.lookup(&key, &trace).await? {
            while hit.read_body().await?.is_some() {}
            hit.finish(&self.storage, &key, &trace).await?;
            return Ok(true);
        }
        let mut miss = self.storage.get_miss_handler(&key, &self.meta, &trace).await?;
        miss.write_body(self.body.slice(..access.bytes as usize), true)
            .await?;
        miss.finish().await?;
        Ok(false)
    }
}

impl<S: Storage> Policy for Real<S> {
    fn access(&mut self, access: Access) -> Result<bool, Failure> {
        timing::runtime().block_on(self.look_up_or_fill(access))
    }
}
