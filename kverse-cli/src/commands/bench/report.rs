//! The result.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::load::{Load, Operation};
use super::record::{Record, Recorder};
use crate::args::BenchArgs;

/// The result, as `-o json` prints it.
#[derive(Serialize)]
pub(super) struct Report {
    /// `open` with a rate, else `closed`.
    mode: &'static str,
    clients: u32,
    /// Requests a second that were due.
    rate: Option<u32>,
    mix: String,
    keys: u32,
    value_bytes: usize,
    seconds: f64,
    /// Those that were sent.
    requests: u64,
    /// Those that succeeded, each second.
    requests_per_second: f64,
    /// How many failed, by the code of the error; `not_sent`: due, but not sent before the end.
    errors: BTreeMap<&'static str, u64>,
    operations: BTreeMap<&'static str, Measured>,
    #[serde(skip)]
    messages: Vec<(&'static str, String)>,
}

/// The requests of one operation.
#[derive(Serialize)]
struct Measured {
    requests: u64,
    errors: u64,
    requests_per_second: f64,
    /// Of requests that succeeded; `null` if none did.
    latency_ms: Option<Latency>,
}

#[derive(Serialize)]
struct Latency {
    mean: f64,
    p50: f64,
    p90: f64,
    p99: f64,
    p99_9: f64,
    max: f64,
}

impl Report {
    pub(super) fn new(
        args: &BenchArgs,
        load: &Load,
        recorder: &Recorder,
        elapsed: Duration,
    ) -> Self {
        let mut errors = BTreeMap::new();
        let mut messages = Vec::new();
        let mut operations = BTreeMap::new();
        let mut succeeded = 0;
        for operation in Operation::ALL {
            let record = recorder.record(operation);
            if record.requests() == 0 {
                continue;
            }
            succeeded += record.latencies.len();
            for (code, (count, message)) in &record.errors {
                let total = errors.entry(*code).or_insert(0);
                if *total == 0 {
                    messages.push((*code, message.clone()));
                }
                *total += count;
            }
            operations.insert(operation.name(), Measured::new(&record, elapsed));
        }
        let due = load.due_within(elapsed).unwrap_or_default();
        let not_sent = due.saturating_sub(recorder.sent());
        if not_sent > 0 {
            errors.insert("not_sent", not_sent);
            messages.push(("not_sent", NOT_SENT.to_owned()));
        }
        Self {
            mode: if args.rate.is_some() {
                "open"
            } else {
                "closed"
            },
            clients: args.clients,
            rate: args.rate.map(u32::from),
            mix: args.mix.to_string(),
            keys: args.keys,
            value_bytes: args.value_bytes,
            seconds: rounded(elapsed.as_secs_f64()),
            requests: recorder.sent(),
            requests_per_second: per_second(succeeded, elapsed),
            errors,
            operations,
            messages,
        }
    }

    /// The first message of each kind of error.
    pub(super) fn messages(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.messages
            .iter()
            .map(|(code, message)| (*code, message.as_str()))
    }

    /// The result for people.
    pub(super) fn lines(&self) -> Vec<String> {
        let load = match self.rate {
            Some(rate) => format!("{rate} requests/s due (open loop)"),
            None => "closed loop".to_owned(),
        };
        let mut lines = vec![
            format!(
                "{} clients, {load}, {}, {} keys, values of {} bytes",
                self.clients, self.mix, self.keys, self.value_bytes
            ),
            format!(
                "{} requests in {:.1} s: {:.0} requests/s",
                self.requests, self.seconds, self.requests_per_second
            ),
            String::new(),
            format!(
                "{:<8}{:>10}{:>8}{:>10}{:>10}{:>10}{:>10}{:>10}",
                "ms", "requests", "errors", "p50", "p90", "p99", "p99.9", "max"
            ),
        ];
        for (name, measured) in &self.operations {
            let mut line = format!("{name:<8}{:>10}{:>8}", measured.requests, measured.errors);
            if let Some(latency) = &measured.latency_ms {
                let Latency {
                    p50,
                    p90,
                    p99,
                    p99_9,
                    max,
                    ..
                } = latency;
                for value in [p50, p90, p99, p99_9, max] {
                    line += &format!("{value:>10.3}");
                }
            }
            lines.push(line);
        }
        if !self.errors.is_empty() {
            let errors = self.errors.iter();
            let errors: Vec<_> = errors
                .map(|(code, count)| format!("{count} {code}"))
                .collect();
            lines.extend([String::new(), format!("errors: {}", errors.join(", "))]);
        }
        lines
    }
}

const NOT_SENT: &str = "all clients were waiting when these requests were due, and until the end";

impl Measured {
    fn new(record: &Record, elapsed: Duration) -> Self {
        let latencies = &record.latencies;
        let ms = |micros: u64| rounded(micros as f64 / 1000.0);
        let at = |quantile| ms(latencies.value_at_quantile(quantile));
        Self {
            requests: record.requests(),
            errors: record.failed(),
            requests_per_second: per_second(latencies.len(), elapsed),
            latency_ms: (!latencies.is_empty()).then(|| Latency {
                mean: rounded(latencies.mean() / 1000.0),
                p50: at(0.5),
                p90: at(0.9),
                p99: at(0.99),
                p99_9: at(0.999),
                max: ms(latencies.max()),
            }),
        }
    }
}

fn per_second(count: u64, elapsed: Duration) -> f64 {
    rounded(count as f64 / elapsed.as_secs_f64().max(1e-9))
}

/// To three digits behind the point.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
