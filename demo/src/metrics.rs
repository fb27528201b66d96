//! Reads the text that Prometheus scrapes.

/// The sum of all samples called `name`, over their labels; `None` if there is not one.
pub fn sum(text: &str, name: &str) -> Option<f64> {
    let samples = text.lines().filter_map(|line| {
        let labels = line.strip_prefix(name)?;
        (labels.starts_with([' ', '{'])).then(|| labels.rsplit_once(' ')?.1.parse::<f64>().ok())?
    });
    samples.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
}

#[cfg(test)]
mod tests {
    #[test]
    fn samples_are_summed_over_labels_and_longer_names_left_out() {
        let text = "# TYPE hits counter\nhits{kind=\"a\"} 2\nhits{kind=\"b\"} 3\nhits_total 7\n";
        assert_eq!(super::sum(text, "hits"), Some(5.0));
        assert_eq!(super::sum(text, "misses"), None);
    }
}
