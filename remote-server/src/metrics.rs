//! Counts what the server does, for Prometheus. No label holds a name that a caller chose: routes, statuses
//! and reasons are from fixed lists, and services, accounts and devices are not labels at all.

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use vultus_protocol::api::Refusal;

/// What an answered request is counted under.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: String,
    /// The pattern of the route, or `none`.
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

/// What a step of a ceremony is counted under.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Step {
    kind: &'static str,
    step: &'static str,
    /// `done`, or the reason of the refusal.
    outcome: String,
}

/// Why a connection was not served.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Turned {
    reason: &'static str,
}

pub struct Metrics {
    registry: Registry,
    answered: Family<Answered, Counter>,
    seconds: Family<Route, Histogram>,
    steps: Family<Step, Counter>,
    /// Open connections, of all listeners.
    pub connections: Gauge,
    turned: Family<Turned, Counter>,
    /// Changes that wait for the database's writer.
    pub store_queue: Gauge,
}

impl Metrics {
    pub fn new() -> Self {
        let metrics = Self {
            registry: Registry::with_prefix("vultus_server"),
            answered: Family::default(),
            seconds: Family::new_with_constructor(histogram as fn() -> Histogram),
            steps: Family::default(),
            connections: Gauge::default(),
            turned: Family::default(),
            store_queue: Gauge::default(),
        };
        metrics.registered()
    }

    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register("requests", "Requests answered", self.answered.clone());
        registry.register("request_seconds", "From head to answer", self.seconds.clone());
        registry.register("ceremony_steps", "Steps of ceremonies by their outcome", self.steps.clone());
        registry.register("connections", "Open connections", self.connections.clone());
        registry.register("connections_turned_away", "Connections not served", self.turned.clone());
        registry.register("store_queue", "Changes waiting to be written", self.store_queue.clone());
        self
    }

    /// A request was answered. `route` is the pattern that it matched.
    pub fn answered(
        &self,
        method: &str,
        route: Option<&str>,
        status: u16,
        refusal: Option<Refusal>,
        took: Duration,
    ) {
        let pattern = route.unwrap_or("none").to_owned();
        if let Some((kind, step)) = route.and_then(step_of) {
            let outcome = refusal.map_or_else(|| "done".to_owned(), Refusal::word);
            self.steps.get_or_create(&Step { kind, step, outcome }).inc();
        }
        self.seconds.get_or_create(&Route { route: pattern.clone() }).observe(took.as_secs_f64());
        let labels = Answered { method: known(method).to_owned(), route: pattern, status };
        self.answered.get_or_create(&labels).inc();
    }

    /// A connection was closed without being served.
    pub fn turned_away(&self, reason: &'static str) {
        self.turned.get_or_create(&Turned { reason }).inc();
    }

    /// All of them in the OpenMetrics text format.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// From a fifth of a millisecond to more than six seconds.
fn histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.0002, 2.0, 16))
}

/// A method is a caller's word: others than the usual ones are one.
fn known(method: &str) -> &'static str {
    ["GET", "HEAD", "POST", "DELETE"].into_iter().find(|known| *known == method).unwrap_or("other")
}

/// The ceremony that a route is a step of.
fn step_of(route: &str) -> Option<(&'static str, &'static str)> {
    match route {
        "/v1/registrations" => Some(("registration", "open")),
        "/v1/registrations/{ceremony}" => Some(("registration", "complete")),
        "/v1/authentications" => Some(("authentication", "open")),
        "/v1/authentications/{ceremony}" => Some(("authentication", "complete")),
        "/v1/deregistrations" => Some(("deregistration", "open")),
        "/v1/deregistrations/{ceremony}" => Some(("deregistration", "complete")),
        "/v1/devices" => Some(("enrolment", "open")),
        "/v1/devices/{enrolment}" => Some(("enrolment", "complete")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_told() {
        let metrics = Metrics::new();
        let took = Duration::from_millis(3);
        metrics.answered("POST", Some("/v1/registrations"), 200, None, took);
        metrics.answered("POST", Some("/v1/registrations"), 410, Some(Refusal::Expired), took);
        metrics.answered("BREW", None, 404, Some(Refusal::NotFound), took);
        metrics.connections.inc();
        metrics.turned_away("full");
        let text = metrics.text().unwrap();
        for line in [
            "vultus_server_requests_total{method=\"POST\",route=\"/v1/registrations\",status=\"200\"} 1",
            "vultus_server_requests_total{method=\"other\",route=\"none\",status=\"404\"} 1",
            "step=\"open\",outcome=\"done\"} 1",
            "step=\"open\",outcome=\"expired\"} 1",
            "vultus_server_request_seconds_count{route=\"/v1/registrations\"} 2",
            "vultus_server_connections 1",
            "vultus_server_connections_turned_away_total{reason=\"full\"} 1",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
