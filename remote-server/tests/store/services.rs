//! Services, key sets, and what all instances have in common.

use vultus_protocol::Liveness;
use vultus_remote_server::store::model::{Service, ServiceStatus};
use vultus_remote_server::store::{Store, StoreError};

use crate::place::Place;
use crate::samples::*;

fn service(api_key: u8, certificate: Option<u8>) -> Service {
    Service {
        name: shop(),
        status: ServiceStatus::Active,
        api_key_hash: Some([api_key; 32]),
        certificate: certificate.map(|n| [n; 32]),
        policy_liveness: Liveness::Passive,
        created_at: NOW,
    }
}

pub async fn services_are_found_by_what_they_show(place: &Place) {
    let store = place.open("one").await;
    assert_eq!(store.service(&shop()).await.unwrap(), None);
    store.put_service(service(1, Some(2)), event("service-added")).await.unwrap();
    let kept = Some(service(1, Some(2)));
    assert_eq!(store.service(&shop()).await.unwrap(), kept);
    assert_eq!(store.service_by_api_key(&[1; 32]).await.unwrap(), kept);
    assert_eq!(store.service_by_certificate(&[2; 32]).await.unwrap(), kept);
    assert_eq!(store.service_by_api_key(&[2; 32]).await.unwrap(), None);

    let changed = Service { created_at: NOW + 9, policy_liveness: Liveness::Active, ..service(3, None) };
    store.put_service(changed.clone(), event("service-changed")).await.unwrap();
    let kept = Service { created_at: NOW, ..changed };
    assert_eq!(store.services().await.unwrap(), std::slice::from_ref(&kept));
    assert_eq!(store.service_by_api_key(&[1; 32]).await.unwrap(), None);
    assert_eq!(store.service_by_certificate(&[2; 32]).await.unwrap(), None);

    let set = |status| store.set_service_status(&kept.name, status, event("service-status"));
    assert!(set(ServiceStatus::Suspended).await.unwrap());
    assert!(!set(ServiceStatus::Suspended).await.unwrap());
    let suspended = store.service_by_api_key(&[3; 32]).await.unwrap().unwrap();
    assert_eq!(suspended.status, ServiceStatus::Suspended);

    // No two services show the same.
    let name = vultus_protocol::ServiceName::new("other.example").unwrap();
    let twin = Service { name, ..service(3, None) };
    let refused = store.put_service(twin, event("service-added")).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
}

pub async fn a_new_api_key_changes_nothing_else(place: &Place) {
    let (one, other) = (place.open("one").await, place.open("other").await);
    one.put_service(service(1, Some(2)), event("service-added")).await.unwrap();
    let suspended = ServiceStatus::Suspended;
    assert!(other.set_service_status(&shop(), suspended, event("service-suspended")).await.unwrap());
    assert!(one.set_service_api_key(&shop(), &[3; 32], event("service-key-rotated")).await.unwrap());
    let kept = Service { status: suspended, ..service(3, Some(2)) };
    assert_eq!(one.service(&shop()).await.unwrap(), Some(kept));
    let nobody = vultus_protocol::ServiceName::new("other.example").unwrap();
    assert!(!one.set_service_api_key(&nobody, &[4; 32], event("service-key-rotated")).await.unwrap());
}

pub async fn a_key_set_has_a_version_of_its_own(place: &Place) {
    let (one, other) = (place.open("one").await, place.open("other").await);
    assert!(one.key_sets().await.unwrap().is_empty());
    for version in 1..6 {
        let (first, second) = tokio::join!(
            one.add_key_set(version, vec![1], event("keys-published")),
            other.add_key_set(version, vec![2], event("keys-published")),
        );
        assert!(first.unwrap() ^ second.unwrap());
    }
    let versions: Vec<u64> = one.key_sets().await.unwrap().into_iter().map(|(version, _)| version).collect();
    assert_eq!(versions, [1, 2, 3, 4, 5]);
}

pub async fn all_instances_have_one_account_secret(place: &Place) {
    let names = ["one", "two", "three", "four"];
    let opening = names.map(|name| {
        let url = place.url().to_owned();
        tokio::spawn(async move { Store::open(&url, name).await.unwrap() })
    });
    let mut secrets = Vec::new();
    for store in opening {
        let store = store.await.unwrap();
        store.healthy().await.unwrap();
        secrets.push(*store.account_secret().await.unwrap());
    }
    assert_ne!(secrets[0], [0; 32]);
    assert!(secrets.iter().all(|secret| *secret == secrets[0]));
}

pub async fn an_address_that_is_none_is_refused(place: &Place) {
    for url in ["", "mysql://localhost/x", "sqlite::memory:", "/var/lib/server.db"] {
        let opened = Store::open(url, "one").await;
        assert!(matches!(opened, Err(StoreError::Settings(_))), "{url}");
    }
    for name in ["", "a\nb", &"a".repeat(129)] {
        let opened = Store::open(place.url(), name).await;
        assert!(matches!(opened, Err(StoreError::Settings(_))), "{name}");
    }
}
