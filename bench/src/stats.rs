//! What the rounds of a measurement say: median and spread.

/// The middle value; of an even number of values, the mean of the two in the middle. `None` without values.
pub fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

/// The value below which this share of the values lies, between neighbours by proportion.
pub fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let at = share.clamp(0.0, 1.0) * last as f64;
    let below = sorted[at.floor() as usize];
    let above = sorted[at.ceil() as usize];
    Some(below + (above - below) * at.fract())
}

/// The quartiles: half of the values lies between them.
pub fn quartiles(values: &[f64]) -> Option<(f64, f64)> {
    Some((quantile(values, 0.25)?, quantile(values, 0.75)?))
}

/// Half the distance between the quartiles, as a share of the median: how much rounds differ.
pub fn spread(values: &[f64]) -> Option<f64> {
    let (middle, (low, high)) = (median(values)?, quartiles(values)?);
    (middle != 0.0).then(|| (high - low) / 2.0 / middle)
}

/// How many times the second the first is, round by round: they were taken in turns, so that what disturbed both does not
/// count. By the medians alone where one has more rounds than the other; nothing where a round is no number.
pub fn ratios(numerator: &[f64], denominator: &[f64]) -> Vec<f64> {
    pairs(numerator, denominator, |a, b| a / b)
}

/// The median of the [`ratios`].
pub fn ratio(numerator: &[f64], denominator: &[f64]) -> Option<f64> {
    median(&ratios(numerator, denominator))
}

/// By how much the first is more than the second, round by round as for [`ratios`].
pub fn differences(more: &[f64], less: &[f64]) -> Vec<f64> {
    pairs(more, less, |a, b| a - b)
}

fn pairs(first: &[f64], second: &[f64], compare: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    let compared: Vec<f64> = if first.len() == second.len() {
        first.iter().zip(second).map(|(a, b)| compare(*a, *b)).collect()
    } else {
        let medians = median(first).zip(median(second));
        medians.map(|(a, b)| compare(a, b)).into_iter().collect()
    };
    match compared.iter().all(|value| value.is_finite()) {
        true => compared,
        false => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_whatever_the_order() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn quantiles_lie_between_neighbours() {
        let values = [10.0, 20.0, 30.0, 40.0, 50.0];
        assert_eq!(quantile(&values, 0.25), Some(20.0));
        assert_eq!(quantile(&values, 0.99), Some(49.6));
        assert_eq!(quantile(&values, 7.0), Some(50.0));
    }

    #[test]
    fn one_wild_round_hardly_spreads() {
        assert_eq!(spread(&[100.0, 100.0, 100.0, 100.0, 900.0]), Some(0.0));
        assert_eq!(spread(&[80.0, 90.0, 100.0, 110.0, 120.0]), Some(0.1));
        assert_eq!(quartiles(&[80.0, 90.0, 100.0, 110.0, 120.0]), Some((90.0, 110.0)));
        assert_eq!(spread(&[0.0]), None);
    }

    #[test]
    fn ratios_pair_rounds_so_that_what_disturbs_both_does_not_count() {
        let (ours, peers) = ([1.0, 5.0, 1.0, 9.0], [4.0, 20.0, 4.0, 36.0]);
        assert_eq!(ratio(&peers, &ours), Some(4.0));
        assert_eq!(ratio(&[8.0], &[2.0, 4.0, 6.0]), Some(2.0));
        assert_eq!(ratio(&[1.0], &[0.0]), None);
        assert_eq!(ratio(&[], &[]), None);
        assert_eq!(ratios(&peers, &ours), [4.0; 4]);
        assert_eq!(differences(&[5.0, 8.0, 5.5], &[4.0, 7.0, 5.0]), [1.0, 1.0, 0.5]);
        assert_eq!(differences(&[5.0, 8.0, 5.5], &[4.0]), [1.5]);
    }
}
