//! A storage that talks to a socket of tokio's.

use forebay_conformance::reference::ReferenceStorage;
use forebay_conformance::{Harness, Opened, Site, async_trait};
use std::sync::Arc;
use tokio::net::UnixStream;

struct Remote;

#[async_trait]
impl Harness for Remote {
    fn name(&self) -> &str {
        "remote"
    }

    async fn open(&self, _site: &Site) -> Opened {
        drop(UnixStream::pair()?);
        Ok(Arc::new(ReferenceStorage::new()))
    }
}

/// The runtime had timers and no I/O, and a storage that connected somewhere was blamed for a panic.
#[test]
fn sockets_work_where_the_suite_runs() {
    crate::expect_kept(Remote, &["LOOKUP-MISS"]);
}
