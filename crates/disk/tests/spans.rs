//! What a store does is to be seen in `tracing`: below the caller's span where a caller waits for it.

mod common;

use common::*;
use forebay_core::{PurgeType, Storage};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Its name, and the number of its parent.
type Span = (String, Option<u64>);

/// Notes the name of every span, and the number of the parent that it was given.
#[derive(Clone, Default)]
struct Notes {
    last: Arc<AtomicU64>,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Subscriber for Notes {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let parent = span.parent().map(Id::into_u64);
        self.spans
            .lock()
            .unwrap()
            .push((span.metadata().name().to_owned(), parent));
        Id::from_u64(self.last.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn operations_are_spans_below_the_callers_and_evictions_are_spans_of_their_own() {
    let notes = Notes::default();
    tracing::subscriber::set_global_default(notes.clone()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 2 << 20);
    let request = tracing::info_span!("request");
    let number = request.id().unwrap().into_u64();
    put(&store, "a", &body(10, 1)).await.unwrap();
    store.update_meta(&key("a"), &meta("b"), &request).await.unwrap();
    store
        .purge(&key("a").to_compact(), PurgeType::Invalidation, &request)
        .await
        .unwrap();
    for i in 0..20 {
        put(&store, &format!("{i}"), &body(200_000, i)).await.unwrap();
    }
    drop(store);
    let spans = notes.spans.lock().unwrap();
    for name in ["update_meta", "purge"] {
        assert!(
            spans.contains(&(name.to_owned(), Some(number))),
            "{name}: {spans:?}"
        );
    }
    for name in ["open", "evict"] {
        assert!(spans.iter().any(|(seen, _)| seen == name), "{name}: {spans:?}");
    }
}
