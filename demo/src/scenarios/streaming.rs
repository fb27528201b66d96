//! A fill that goes on while clients read it: what arrives passes on at once, and a break is passed on as a break.

use super::{Seen, fact, times};
use crate::client::Response;
use crate::routes::{STEP_BYTES, STEPS};
use crate::stage::{Stage, verdict};
use crate::{Failure, body};

const HALF_STEPS: usize = STEPS / 2;
const HALF_BYTES: usize = HALF_STEPS * STEP_BYTES;

pub(super) const DIES_EXPECTED: &str =
    "both clients get the first half, then a broken transfer; next request miss, whole; then hit";

pub(super) fn followers(stage: &mut Stage) -> Result<Seen, Failure> {
    let path = "/slow/fill";
    let [mut one, mut two] = two_clients_at_half(stage, path)?;
    // Nothing of the second half has left the origin yet: only now may it.
    stage.origin.release(path, STEPS - HALF_STEPS);
    let second_half = body::bytes(path, HALF_BYTES as u64, (2 * HALF_BYTES) as u64);
    let whole = one.rest()? == second_half && two.rest()? == second_half;
    let facts = format!(
        "both have the first half before the origin sends the second; {}; origin {}",
        fact(whole, "both get all"),
        times(stage.origin.asked(path))
    );
    Ok(Seen {
        facts,
        figures: format!("{}, {}", verdict(&one.fields), verdict(&two.fields)),
    })
}

pub(super) fn dies_with_length(stage: &mut Stage) -> Result<Seen, Failure> {
    dies(stage, "/dies/length/half-way")
}

pub(super) fn dies_in_chunks(stage: &mut Stage) -> Result<Seen, Failure> {
    dies(stage, "/dies/chunked/half-way")
}

fn dies(stage: &mut Stage, path: &str) -> Result<Seen, Failure> {
    let [mut one, mut two] = two_clients_at_half(stage, path)?;
    stage.origin.release(path, 1);
    let ends = [end(&mut one), end(&mut two)].map(|end| match end {
        Err(failure) if failure.is_broken_transfer() => Ok("a broken transfer".to_owned()),
        Err(failure) => Err(failure),
        Ok(more) => Ok(format!("a clean end after {more} more bytes")),
    });
    let [first_end, second_end] = ends;
    let (first_end, second_end) = (first_end?, second_end?);
    let ends = if first_end == second_end {
        first_end
    } else {
        format!("{first_end} and {second_end}")
    };
    // From its second answer on, the origin sends all of it.
    stage.origin.release(path, STEPS);
    let (next, later) = (stage.get(path)?, stage.get(path)?);
    let right = body::bytes(path, 0, (2 * HALF_BYTES) as u64);
    let whole = fact(next.body == right && later.body == right, "whole");
    let (next, later) = (next.verdict(), later.verdict());
    Ok(
        format!("both clients get the first half, then {ends}; next request {next}, {whole}; then {later}")
            .into(),
    )
}

/// Two clients, each with exactly the first half of the body at `path`; the origin has sent no more than that.
fn two_clients_at_half(stage: &Stage, path: &str) -> Result<[Response; 2], Failure> {
    stage.origin.hold(path);
    stage.origin.release(path, HALF_STEPS);
    let client = stage.proxy.client();
    let first_half = body::bytes(path, 0, HALF_BYTES as u64);
    let at_half = |who: &str| {
        let mut response = client.get(path)?;
        let got = response
            .read(HALF_BYTES)
            .map_err(|failure| failure.during(format_args!("{who} client, first half")))?;
        if got == first_half {
            Ok(response)
        } else {
            Err(Failure::Other(format!("{who} client got wrong bytes")))
        }
    };
    Ok([at_half("first")?, at_half("second")?])
}

fn end(response: &mut Response) -> Result<usize, Failure> {
    response.rest().map(|more| more.len())
}
