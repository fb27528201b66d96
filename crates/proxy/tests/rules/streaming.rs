//! Fills with several readers, of whom some leave, and a purge in the middle.

use forebay_demo::body;
use forebay_demo::client::Response;
use forebay_demo::stage::Stage;

use crate::{STORES, get, stage_on};

const STEP: usize = 64 * 1024;
const WHOLE: usize = 4 * STEP;

/// A reader of `path` that has the first step of a fill that goes on.
fn reader(stage: &Stage, path: &str) -> Response {
    let mut response = stage.proxy.client().get(path).unwrap();
    assert!(response.read(STEP).unwrap() == body::bytes(path, 0, STEP as u64));
    response
}

fn hold_after_first_step(stage: &Stage, path: &str) {
    stage.origin.hold(path);
    stage.origin.release(path, 1);
}

fn assert_rest(response: &mut Response, path: &str) {
    assert!(
        response.rest().unwrap() == body::bytes(path, STEP as u64, WHOLE as u64),
        "wrong bytes"
    );
}

#[test]
fn a_client_that_leaves_half_way_cuts_nobody_else_short() {
    for store in STORES {
        let stage = stage_on(store);
        let path = "/slow/leaves";
        hold_after_first_step(&stage, path);
        let first = reader(&stage, path);
        let mut second = reader(&stage, path);
        drop(first);
        stage.origin.release(path, 3);
        assert_rest(&mut second, path);
        assert!(get(&stage, path).body == body::bytes(path, 0, WHOLE as u64));
    }
}

#[test]
fn a_client_that_leaves_alone_leaves_no_half_of_a_body_behind() {
    for store in STORES {
        let stage = stage_on(store);
        let path = "/slow/alone";
        hold_after_first_step(&stage, path);
        drop(reader(&stage, path));
        stage.origin.release(path, 7);
        assert!(get(&stage, path).body == body::bytes(path, 0, WHOLE as u64));
    }
}

#[test]
fn many_clients_of_one_fill_ask_the_origin_once() {
    for store in STORES {
        let stage = stage_on(store);
        let path = "/slow/many";
        hold_after_first_step(&stage, path);
        let mut readers: Vec<_> = (0..20).map(|_| reader(&stage, path)).collect();
        stage.origin.release(path, 3);
        readers.iter_mut().for_each(|reader| assert_rest(reader, path));
        assert_eq!(stage.origin.asked(path), 1);
    }
}

#[test]
fn a_purge_during_a_fill_disturbs_no_reader_and_what_was_being_filled_is_not_kept() {
    for store in STORES {
        let stage = stage_on(store);
        let path = "/slow/purged";
        hold_after_first_step(&stage, path);
        let mut readers = [reader(&stage, path), reader(&stage, path)];
        assert_eq!(stage.fetch("PURGE", path, &[]).unwrap().status, 200);
        stage.origin.release(path, 7);
        readers.iter_mut().for_each(|reader| assert_rest(reader, path));
        let after = get(&stage, path);
        assert_eq!(stage.origin.asked(path), 2, "{}", after.field("cache-status"));
        assert!(after.body == body::bytes(path, 0, WHOLE as u64));
    }
}

#[test]
fn a_follower_of_a_fill_may_ask_for_a_range() {
    for store in STORES {
        let stage = stage_on(store);
        let path = "/slow/range";
        hold_after_first_step(&stage, path);
        let mut first = reader(&stage, path);
        let range = [("Range", "bytes=60000-200000")];
        let mut part = stage.proxy.client().send("GET", path, &range).unwrap();
        stage.origin.release(path, 7);
        let (start, end) = if part.status == 206 {
            (60_000, 200_001)
        } else {
            (0, WHOLE as u64)
        };
        assert!(
            part.rest().unwrap() == body::bytes(path, start, end),
            "status {}",
            part.status
        );
        assert_rest(&mut first, path);
    }
}
