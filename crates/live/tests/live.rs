//! What followers see of writes in progress, and what the registry finds.

use bytes::Bytes;
use forebay_core::{CacheMeta, ErrorKind, ResponseHead};
use forebay_live::{CHUNK_BYTES_MAX, Follower, LiveGuard, LiveWrites, Next};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::SystemTime;

const KEY: [u8; 16] = [1; 16];

fn begin(writes: &Arc<LiveWrites<()>>, id: u64) -> LiveGuard<()> {
    let now = SystemTime::now();
    let head = ResponseHead::builder(200).build().unwrap();
    writes.begin(KEY, id, CacheMeta::new(now, now, 0, 0, head), ())
}

fn one() -> (Arc<LiveWrites<()>>, LiveGuard<()>, Follower<()>) {
    let writes = Arc::default();
    let guard = begin(&writes, 1);
    let follower = Follower::new(guard.write().clone());
    (writes, guard, follower)
}

#[derive(Default)]
struct CountingWaker(AtomicUsize);

impl Wake for CountingWaker {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fn next(follower: &mut Follower<()>) -> Next {
    poll_once(follower.next())
        .expect("nothing to wait for")
        .expect("no error")
}

fn chunk(bytes: &'static [u8]) -> Next {
    Next::Chunk(Bytes::from_static(bytes))
}

#[test]
fn a_follower_gets_what_was_written_in_order_and_then_the_end() {
    let (_writes, guard, mut follower) = one();
    guard.body().push(Bytes::from_static(b"ab"));
    guard.body().push(Bytes::new());
    guard.body().push(Bytes::from_static(b"c"));
    assert_eq!(next(&mut follower), chunk(b"ab"));
    assert_eq!(next(&mut follower), chunk(b"c"));
    assert!(poll_once(follower.next()).is_none(), "the writer is not done");
    guard.body().complete();
    assert_eq!(next(&mut follower), Next::End);
    assert_eq!(next(&mut follower), Next::End);
}

#[test]
fn a_waiting_follower_wakes_on_every_kind_of_change() {
    type Change = fn(LiveGuard<()>) -> Option<LiveGuard<()>>;
    let push: Change = |guard| {
        guard.body().push(Bytes::from_static(b"x"));
        Some(guard)
    };
    let complete: Change = |guard| {
        guard.body().complete();
        Some(guard)
    };
    let abandon: Change = |_| None;
    for change in [push, complete, abandon] {
        let (_writes, guard, mut follower) = one();
        let woken = Arc::new(CountingWaker::default());
        let waker = Waker::from(woken.clone());
        let mut reading = pin!(follower.next());
        assert!(
            reading
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        let _still_there = change(guard);
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        assert!(reading.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
    }
}

#[test]
fn a_write_given_up_is_an_error_after_the_bytes_that_came_and_stays_one() {
    let (_writes, guard, mut follower) = one();
    guard.body().push(Bytes::from_static(b"ab"));
    drop(guard);
    assert_eq!(next(&mut follower), chunk(b"ab"));
    for _ in 0..2 {
        let error = poll_once(follower.next()).unwrap().unwrap_err();
        assert_eq!(ErrorKind::of(&error), Some(ErrorKind::WriterAborted));
    }
}

#[test]
fn a_complete_body_is_read_to_its_end_after_the_writer_is_gone() {
    let (writes, guard, mut follower) = one();
    guard.body().push(Bytes::from_static(b"ab"));
    guard.body().complete();
    drop(guard);
    assert!(writes.is_empty());
    assert_eq!(next(&mut follower), chunk(b"ab"));
    assert_eq!(next(&mut follower), Next::End);
}

#[test]
fn a_range_waits_for_its_bytes_and_yields_no_others() {
    let (_writes, guard, mut follower) = one();
    guard.body().push(Bytes::from_static(b"0123"));
    follower.seek(2, Some(6)).unwrap();
    assert_eq!(next(&mut follower), chunk(b"23"));
    assert!(poll_once(follower.next()).is_none());
    guard.body().push(Bytes::from_static(b"4567"));
    assert_eq!(next(&mut follower), chunk(b"45"));
    assert_eq!(next(&mut follower), Next::End);
    follower.seek(1, None).unwrap();
    assert_eq!(next(&mut follower), chunk(b"123"));
}

#[test]
fn a_range_that_begins_beyond_the_end_fails_once_the_end_is_known() {
    let (_writes, guard, mut follower) = one();
    guard.body().push(Bytes::from_static(b"0123"));
    assert!(follower.seek(3, Some(2)).is_err());
    follower.seek(5, None).unwrap();
    assert!(poll_once(follower.next()).is_none());
    guard.body().complete();
    let error = poll_once(follower.next()).unwrap().unwrap_err();
    assert_eq!(ErrorKind::of(&error), Some(ErrorKind::SeekOutOfRange));
    assert!(follower.seek(5, None).is_err());
    follower.seek(4, None).unwrap();
    assert_eq!(next(&mut follower), Next::End);
}

#[test]
fn released_bytes_are_read_elsewhere() {
    let (_writes, guard, mut follower) = one();
    guard.body().push(Bytes::from_static(b"0123"));
    guard.body().push(Bytes::from_static(b"4567"));
    guard.body().release_to(6); // the second chunk is not wholly below
    assert_eq!(guard.body().held_bytes(), 4);
    assert_eq!(next(&mut follower), Next::Released { start: 0, until: 4 });
    follower.advance(4);
    assert_eq!(next(&mut follower), chunk(b"4567"));
    follower.seek(1, Some(3)).unwrap();
    assert_eq!(next(&mut follower), Next::Released { start: 1, until: 3 });
}

#[test]
fn what_lies_wholly_below_an_offset_is_released_up_to_it() {
    let (_writes, guard, _follower) = one();
    guard.body().push(Bytes::from_static(b"0123"));
    guard.body().push(Bytes::from_static(b"4567"));
    guard.body().release_to(4);
    assert_eq!(guard.body().held_bytes(), 4);
    guard.body().release_to(8);
    assert_eq!(guard.body().held_bytes(), 0);
}

#[test]
fn bytes_between_two_offsets_are_given_without_empty_chunks() {
    let (_writes, guard, _follower) = one();
    for piece in [&b"0123"[..], b"4567", b"89"] {
        guard.body().push(Bytes::from_static(piece));
    }
    let between = |start, until| guard.body().chunks_between(start, until);
    assert_eq!(between(0, 4), ["0123"]);
    assert_eq!(between(3, 9), ["3", "4567", "8"]);
    assert_eq!(between(4, 8), ["4567"]);
    assert_eq!(between(8, 100), ["89"]);
    assert_eq!(between(10, 100), Vec::<Bytes>::new());
}

#[test]
fn a_body_says_how_long_it_is_and_does_not_grow_once_it_ended() {
    let (_writes, guard, mut follower) = one();
    let body = guard.body();
    assert!(body.is_empty() && body.is_writing());
    body.push(Bytes::from_static(b"abc"));
    assert_eq!((body.len(), body.is_empty()), (3, false));
    body.push(Bytes::new());
    assert_eq!(body.chunks(), ["abc"]);
    body.complete();
    body.push(Bytes::from_static(b"late"));
    assert_eq!((body.len(), body.is_complete()), (3, true));
    assert_eq!(next(&mut follower), chunk(b"abc"));
    assert_eq!(next(&mut follower), Next::End);
}

#[test]
fn a_large_write_is_handed_out_in_bounded_chunks() {
    let (_writes, guard, mut follower) = one();
    guard.body().push(vec![7; CHUNK_BYTES_MAX + 1].into());
    assert!(matches!(next(&mut follower), Next::Chunk(c) if c.len() == CHUNK_BYTES_MAX));
    assert!(matches!(next(&mut follower), Next::Chunk(c) if c.len() == 1));
}

#[test]
fn a_dropped_read_loses_nothing() {
    let (_writes, guard, mut follower) = one();
    assert!(poll_once(follower.next()).is_none()); // dropped while it waits
    guard.body().push(Bytes::from_static(b"ab"));
    assert_eq!(next(&mut follower), chunk(b"ab"));
}

#[test]
fn the_newest_visible_write_is_found_by_key_and_every_one_by_its_tag() {
    let writes = Arc::new(LiveWrites::new());
    let (first, second) = (begin(&writes, 1), begin(&writes, 2));
    assert_eq!(writes.newest(&KEY).unwrap().id(), second.id());
    assert_eq!(writes.by_tag(&KEY, first.tag()).unwrap().id(), first.id());
    for wrong in [&b""[..], b"1", &[0; 8], &[0; 9]] {
        assert!(writes.by_tag(&KEY, wrong).is_none());
    }
    assert!(
        writes.by_tag(&[2; 16], first.tag()).is_none(),
        "a tag is good for its own key alone"
    );
    drop(second);
    assert_eq!(writes.newest(&KEY).unwrap().id(), first.id());
}

#[test]
fn a_purge_hides_writes_from_the_key_and_not_from_their_tags() {
    let writes = Arc::new(LiveWrites::new());
    let (first, second) = (begin(&writes, 1), begin(&writes, 2));
    assert!(writes.with_key(&KEY, |w| w.purge_exact(second.id())));
    assert_eq!(writes.newest(&KEY).unwrap().id(), first.id());
    assert!(writes.with_key(&KEY, |w| w.purge()));
    assert!(
        !writes.with_key(&KEY, |w| w.purge()),
        "nothing was visible any more"
    );
    assert!(writes.newest(&KEY).is_none());
    assert!(first.is_purged() && second.is_purged());
    assert!(writes.by_tag(&KEY, first.tag()).is_some());
    let third = begin(&writes, 3);
    assert_eq!(writes.newest(&KEY).unwrap().id(), third.id());
    drop((first, second, third));
    assert!(writes.is_empty());
}

#[test]
fn a_small_part_of_a_large_buffer_does_not_keep_it_alive() {
    let (_writes, guard, _follower) = one();
    let network = Bytes::from(vec![1; 1 << 20]);
    guard.body().push(network.slice(..100));
    assert!(network.is_unique());
    guard.body().push(network.slice(..(16 << 10) - 1));
    assert!(network.is_unique());
    guard.body().push(network.slice(..16 << 10));
    assert!(!network.is_unique(), "a large chunk is shared, not copied");
}

#[test]
fn a_body_in_tiny_pieces_is_joined_and_read_as_it_was_written() {
    let (_writes, guard, mut follower) = one();
    let all: Vec<u8> = (0..100_000u32).map(|i| (i ^ i >> 8) as u8).collect();
    let mut read = Vec::new();
    for (i, byte) in all.iter().enumerate() {
        guard.body().push(Bytes::copy_from_slice(&[*byte]));
        if i % 777 == 0 {
            while read.len() <= i {
                let Next::Chunk(chunk) = next(&mut follower) else {
                    panic!("{} of {i} bytes read", read.len());
                };
                read.extend_from_slice(&chunk);
            }
        }
    }
    assert!(guard.body().chunks().len() < 64);
    assert_eq!(
        guard.body().chunks_between(10_000, 90_000).concat(),
        all[10_000..90_000]
    );
    guard.body().complete();
    while let Next::Chunk(chunk) = next(&mut follower) {
        read.extend_from_slice(&chunk);
    }
    assert_eq!(read, all);
}
