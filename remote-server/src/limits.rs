//! How much anybody may ask for: rates for each service, device and address, and the times and numbers that
//! a connection is held to. It decides by counting alone, never by what is asked.

use std::hash::Hash;
use std::net::IpAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use governor::clock::Clock as _;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use serde::Deserialize;
use vultus_protocol::{PairwiseDevice, ServiceName};

use crate::http::Fingerprint;

/// How many credentials that are not known yet are looked up for one address, and how many at once.
const LOOK_UPS_PER_S: u32 = 10;
const LOOK_UPS_AT_ONCE: u32 = 20;

/// The table `limits` of the configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Configuration {
    /// Requests of one service, or of one certificate at the registry's listener.
    pub per_service_per_s: NonZeroU32,
    /// Ceremonies that one service opens for one device.
    pub per_device_per_minute: NonZeroU32,
    /// Requests of one address that need no key; refused keys and unknown routes are counted too.
    pub per_address_per_minute: NonZeroU32,
    /// Connections to one listener at once.
    pub connections: NonZeroUsize,
    pub connections_per_address: NonZeroUsize,
    /// How long a connection lives on which no service ever showed who it is.
    pub stranger_s: NonZeroU32,
    /// How long a TLS handshake may take.
    pub handshake_ms: NonZeroU32,
    /// How long a connection may wait for the whole head of its next request.
    pub head_ms: NonZeroU32,
    /// How long a request may take from its head to its answer, and how long an answer may wait to be read.
    pub request_ms: NonZeroU32,
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            per_service_per_s: number(2_000),
            per_device_per_minute: number(60),
            per_address_per_minute: number(60),
            connections: NonZeroUsize::MIN.saturating_add(1_023),
            connections_per_address: NonZeroUsize::MIN.saturating_add(63),
            stranger_s: number(60),
            handshake_ms: number(5_000),
            head_ms: number(15_000),
            request_ms: number(10_000),
        }
    }
}

impl Configuration {
    pub fn handshake(&self) -> Duration {
        milliseconds(self.handshake_ms)
    }

    pub fn stranger(&self) -> Duration {
        Duration::from_secs(self.stranger_s.get().into())
    }

    pub fn head(&self) -> Duration {
        milliseconds(self.head_ms)
    }

    pub fn request(&self) -> Duration {
        milliseconds(self.request_ms)
    }
}

/// Nothing is zero: a limit of zero is a mistake, not a wish.
fn number(value: u32) -> NonZeroU32 {
    NonZeroU32::new(value).unwrap_or(NonZeroU32::MIN)
}

fn milliseconds(value: NonZeroU32) -> Duration {
    Duration::from_millis(value.get().into())
}

/// Who counts as one caller by address: an IPv4 address, or the /64 that an IPv6 host gets to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    V4([u8; 4]),
    V6([u8; 8]),
}

impl From<IpAddr> for Origin {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let mut network = [0; 8];
                network.copy_from_slice(&address.octets()[..8]);
                Self::V6(network)
            }
        }
    }
}

/// Too much was asked for: the same may be asked again after this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany(pub Duration);

type Counted<K> = DefaultKeyedRateLimiter<K>;

/// The rates that are being counted.
pub struct Limits {
    services: Counted<ServiceName>,
    devices: Counted<(ServiceName, PairwiseDevice)>,
    origins: Counted<Origin>,
    look_ups: Counted<Origin>,
    registry_clients: Counted<Fingerprint>,
}

impl Limits {
    pub fn new(configuration: &Configuration) -> Self {
        let look_ups = Quota::per_second(number(LOOK_UPS_PER_S)).allow_burst(number(LOOK_UPS_AT_ONCE));
        Self {
            services: RateLimiter::dashmap(Quota::per_second(configuration.per_service_per_s)),
            devices: RateLimiter::dashmap(Quota::per_minute(configuration.per_device_per_minute)),
            origins: RateLimiter::dashmap(Quota::per_minute(configuration.per_address_per_minute)),
            look_ups: RateLimiter::dashmap(look_ups),
            registry_clients: RateLimiter::dashmap(Quota::per_second(configuration.per_service_per_s)),
        }
    }

    pub fn service(&self, service: &ServiceName) -> Result<(), TooMany> {
        count(&self.services, service)
    }

    pub fn device(&self, service: &ServiceName, device: PairwiseDevice) -> Result<(), TooMany> {
        count(&self.devices, &(service.clone(), device))
    }

    pub fn origin(&self, origin: Origin) -> Result<(), TooMany> {
        count(&self.origins, &origin)
    }

    /// Counts a question to the database about a credential that may be anybody's invention.
    pub fn look_up(&self, origin: Origin) -> Result<(), TooMany> {
        count(&self.look_ups, &origin)
    }

    /// Counts a request of another authentication server to the registry.
    pub fn registry_client(&self, certificate: Fingerprint) -> Result<(), TooMany> {
        count(&self.registry_clients, &certificate)
    }

    /// Forgets whoever has been quiet for long enough to start anew: otherwise every address that ever
    /// asked would stay in memory.
    pub fn forget_the_quiet(&self) {
        self.services.retain_recent();
        self.devices.retain_recent();
        self.origins.retain_recent();
        self.look_ups.retain_recent();
        self.registry_clients.retain_recent();
    }
}

fn count<K: Hash + Eq + Clone>(counted: &Counted<K>, key: &K) -> Result<(), TooMany> {
    counted.check_key(key).map_err(|not_until| TooMany(not_until.wait_time_from(counted.clock().now())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ServiceName {
        ServiceName::new(text).unwrap()
    }

    #[test]
    fn each_is_counted_apart() {
        let limits = Limits::new(&Configuration { per_device_per_minute: number(2), ..Default::default() });
        let (one, other) = (PairwiseDevice::new([1; 16]), PairwiseDevice::new([2; 16]));
        assert_eq!(limits.device(&name("a"), one), Ok(()));
        assert_eq!(limits.device(&name("a"), one), Ok(()));
        let TooMany(wait) = limits.device(&name("a"), one).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(30), "{wait:?}");
        assert_eq!(limits.device(&name("a"), other), Ok(()));
        assert_eq!(limits.device(&name("b"), one), Ok(()));
        limits.forget_the_quiet();
        assert!(limits.device(&name("a"), one).is_err(), "who was not quiet is remembered");
    }

    #[test]
    fn unknown_credentials_are_looked_up_so_often() {
        let limits = Limits::new(&Configuration::default());
        let (one, other) = (Origin::V4([1; 4]), Origin::V4([2; 4]));
        let passed = (0..100).filter(|_| limits.look_up(one).is_ok()).count();
        // The burst, and what a slow machine lets pass meanwhile.
        assert!((20..40).contains(&passed), "{passed}");
        assert_eq!(limits.look_up(other), Ok(()));
    }

    #[test]
    fn a_host_is_one_origin_however_it_writes_its_address() {
        let of = |text: &str| Origin::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    }
}
