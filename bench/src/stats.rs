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

/// Half the distance between the quartiles, as a share of the median: how much rounds differ.
pub fn spread(values: &[f64]) -> Option<f64> {
    let middle = median(values)?;
    let width = quantile(values, 0.75)? - quantile(values, 0.25)?;
    (middle != 0.0).then(|| width / 2.0 / middle)
}

/// How many times the second the first is. Rounds were taken in turns, so that they are compared pair by pair, and the
/// median of that is the answer: what disturbed both does not count.
pub fn ratio(numerator: &[f64], denominator: &[f64]) -> Option<f64> {
    if numerator.len() == denominator.len() {
        let pairs: Vec<_> = numerator.iter().zip(denominator).map(|(a, b)| a / b).collect();
        return median(&pairs).filter(|ratio| ratio.is_finite());
    }
    Some(median(numerator)? / median(denominator)?).filter(|ratio| ratio.is_finite())
}

/// By how much the first is more than the second, pair by pair as for [`ratio`].
pub fn difference(more: &[f64], less: &[f64]) -> Option<f64> {
    if more.len() == less.len() {
        let pairs: Vec<_> = more.iter().zip(less).map(|(a, b)| a - b).collect();
        return median(&pairs);
    }
    Some(median(more)? - median(less)?)
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
        assert_eq!(spread(&[0.0]), None);
    }

    #[test]
    fn ratios_pair_rounds_so_that_what_disturbs_both_does_not_count() {
        let (ours, peers) = ([1.0, 5.0, 1.0, 9.0], [4.0, 20.0, 4.0, 36.0]);
        assert_eq!(ratio(&peers, &ours), Some(4.0));
        assert_eq!(ratio(&[8.0], &[2.0, 4.0, 6.0]), Some(2.0));
        assert_eq!(ratio(&[1.0], &[0.0]), None);
        assert_eq!(ratio(&[], &[]), None);
        assert_eq!(difference(&[5.0, 8.0, 5.5], &[4.0, 7.0, 5.0]), Some(1.0));
    }
}
