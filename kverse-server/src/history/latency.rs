//! Percentiles from the buckets of a histogram.

use prometheus::proto::Histogram;

/// How many requests took at most how long: several series as one.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Latencies {
    /// For each bound, in seconds and ascending, how many took no longer.
    buckets: Vec<(f64, u64)>,
    /// All, with those above the last bound.
    count: u64,
}

impl Latencies {
    /// Adds a series with the same bounds.
    pub(super) fn add(&mut self, series: &Histogram) {
        self.count += series.get_sample_count();
        let buckets = series.get_bucket().iter();
        let buckets = buckets.map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()));
        if self.buckets.is_empty() {
            self.buckets = buckets.collect();
        } else {
            for ((_, sum), (_, count)) in self.buckets.iter_mut().zip(buckets) {
                *sum += count;
            }
        }
    }

    /// Those that came since.
    pub(super) fn since(&self, before: &Self) -> Self {
        let earlier = before.buckets.iter().map(|(_, count)| *count);
        let earlier = earlier.chain(std::iter::repeat(0));
        let buckets = self.buckets.iter().zip(earlier);
        Self {
            buckets: buckets
                .map(|((bound, count), earlier)| (*bound, count.saturating_sub(earlier)))
                .collect(),
            count: self.count.saturating_sub(before.count),
        }
    }

    /// How long this part of the requests took at most, in milliseconds: interpolated within its bucket, as
    /// `histogram_quantile` of Prometheus does; the last bound if it is above. `None` without requests.
    pub(super) fn quantile_ms(&self, part: f64) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let rank = part * self.count as f64;
        let (mut lower, mut below) = (0.0, 0);
        for &(bound, count) in &self.buckets {
            if count as f64 >= rank {
                let within = (rank - below as f64) / (count - below) as f64;
                return Some((lower + (bound - lower) * within) * 1e3);
            }
            (lower, below) = (bound, count);
        }
        Some(lower * 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latencies(buckets: &[(f64, u64)], count: u64) -> Latencies {
        Latencies {
            buckets: buckets.to_vec(),
            count,
        }
    }

    #[test]
    fn quantiles_are_interpolated_in_their_bucket() {
        let all = latencies(&[(0.1, 10), (0.2, 30), (0.4, 40)], 40);
        for (part, expected) in [
            (0.125, 50.0),
            (0.25, 100.0),
            (0.5, 150.0),
            (0.75, 200.0),
            (0.875, 300.0),
            (1.0, 400.0),
        ] {
            let quantile = all.quantile_ms(part).unwrap();
            assert!((quantile - expected).abs() < 1e-9, "{part}: {quantile}");
        }
    }

    #[test]
    fn what_is_above_the_last_bound_counts_as_the_last_bound() {
        let slow = latencies(&[(0.1, 1), (10.0, 1)], 100);
        assert_eq!(slow.quantile_ms(0.5), Some(10_000.0));
        // Half of the one in the first bucket.
        assert_eq!(slow.quantile_ms(0.005), Some(50.0));
    }

    #[test]
    fn empty_buckets_are_passed_over() {
        let one = latencies(&[(0.1, 0), (0.2, 0), (0.4, 1), (0.8, 1)], 1);
        let quantile = one.quantile_ms(0.5).unwrap();
        assert!((quantile - 300.0).abs() < 1e-9, "{quantile}");
        assert_eq!(latencies(&[(0.1, 0)], 0).quantile_ms(0.5), None);
        assert_eq!(Latencies::default().quantile_ms(0.5), None);
    }

    #[test]
    fn only_what_came_since_counts() {
        let before = latencies(&[(0.1, 10), (0.2, 10)], 12);
        let now = latencies(&[(0.1, 10), (0.2, 14)], 16);
        let since = now.since(&before);
        assert_eq!(since, latencies(&[(0.1, 0), (0.2, 4)], 4));
        assert_eq!(now.since(&Latencies::default()), now);
        assert_eq!(now.since(&now).quantile_ms(0.5), None);
    }
}
