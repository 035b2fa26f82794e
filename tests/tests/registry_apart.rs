//! The registry of devices on a machine of its own: every ceremony with a server that asks it over mutual TLS,
//! what that server says while the registry is silent, and new keys for both.

use std::error::Error;

use serde_json::json;
use vultus_protocol::api::to_text;
use vultus_tests::backend::{AUTHENTICATIONS, Backend, Https, REGISTRATIONS, published_sets};
use vultus_tests::device::{self, Order, enrol_device, perform, said, shop, to_server, towards};
use vultus_tests::machine::{ALICE, Machine};
use vultus_tests::process::wait_until;
use vultus_tests::server::{OTHER, Plan, SERVER, SHOP, Server, accepted};
use vultus_tests::tls_client::TlsClient;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

const PAY: [&str; 7] = ["pay", "alice", "--amount", "12.34", "--to", "Bob's Books", "--yes"];

/// A machine, its registry, and the server that it authenticates with.
struct Scene {
    machine: Machine,
    registry: Server,
    server: Server,
    identity: String,
}

#[test]
fn every_ceremony_with_a_registry_on_another_machine() -> Result {
    let machine = device::alices_machine()?;
    let client = TlsClient::make(&machine.path("clients"), SERVER)?;
    let plan = Plan::new("auth.example", vec![machine.endorsement_roots()]);
    let registry = Server::start_registry(machine.path("registry"), plan, &client)?;
    let server = Server::start_beside(machine.path("server"), &registry, &client)?;
    let identity = enrol_device(&machine, &registry)?;
    let mut scene = Scene { machine, registry, server, identity };
    the_server_enrols_nobody(&scene)?;
    all_that_a_device_does(&scene)?;
    a_silent_registry_uses_nothing_up(&mut scene)?;
    new_keys_for_both(&scene)?;
    who_is_suspended_there_is_refused_here(&scene)?;
    for part in [&scene.registry, &scene.server] {
        let verified = part.verify_audit()?;
        assert_eq!(verified.status, 0, "{verified:?}");
    }
    Ok(())
}

fn the_server_enrols_nobody(scene: &Scene) -> Result {
    let told = said(&to_server(&scene.machine, 0, &scene.server, "enroll")?, 1)?;
    assert_eq!(told["ok"], json!(false), "it has no such route: {told}");
    let devices = said(&scene.server.admin(&["device", "list"])?, 0)?;
    assert_eq!(devices["devices"], json!([]), "devices are the registry's to keep");
    Ok(())
}

fn all_that_a_device_does(scene: &Scene) -> Result {
    let at_shop = |action: &[&str]| said(&shop(&scene.machine, &scene.server, action, "")?, 0);
    assert_eq!(at_shop(&["register", "alice"])?["result"], "registered");
    assert_eq!(at_shop(&["authenticate"])?["account"], "alice");
    assert_eq!(at_shop(&PAY)?["result"], "paid");
    assert_eq!(at_shop(&["deregister", "alice"])?["result"], "deregistered");
    assert_eq!(at_shop(&["register", "alice"])?["result"], "registered");
    Ok(())
}

/// Nothing is decided without it, and so no code is spent: the same packet counts once it is back.
fn a_silent_registry_uses_nothing_up(scene: &mut Scene) -> Result {
    let backend = Backend::of(&scene.server, SHOP)?;
    let wish = json!({ "device": towards(&scene.machine, &scene.server, SHOP)? });
    let opened = backend.open(AUTHENTICATIONS, &wish)?.accepted()?;
    let signed = perform(&scene.machine, "alice", Order::Authenticate(&opened.packet()?))?.signed()?;
    let complete = || backend.complete(AUTHENTICATIONS, opened.text("ceremony"), &signed);
    scene.registry.kill()?;
    let silent = complete()?;
    assert_eq!((silent.status, silent.reason()), (503, "registry-unavailable"));
    scene.registry.run()?;
    complete()?.accepted()?;
    let again = complete()?;
    assert_eq!((again.status, again.reason()), (409, "code-used"));
    Ok(())
}

/// Made at the registry, and taken over by the server with the registry's key file.
fn new_keys_for_both(scene: &Scene) -> Result {
    let Scene { machine, registry, server, .. } = scene;
    let now = ["keys", "rotate", "--overlap-hours", "0", "--lead-minutes", "0"];
    accepted(&registry.admin(&now)?)?;
    server.take_keys_of(registry)?;
    for part in [registry, server] {
        part.reload()?;
        wait_until("the new keys are published", || published_sets(part).is_ok_and(|sets| sets == 2))?;
    }
    let refused = said(&shop(machine, server, &["authenticate", "alice"], "")?, 1)?;
    assert_eq!(refused["result"], "unpinned-key");
    assert_eq!(said(&to_server(machine, ALICE, server, "update-keys")?, 0)?["version"], json!(2));
    said(&shop(machine, server, &["authenticate", "alice"], "")?, 0)?;
    // What is sealed to the new key both open: a registration here, an enrolment there.
    let (backend, device) = (Backend::of(server, OTHER)?, towards(machine, server, OTHER)?);
    let wish = json!({ "account": "alice", "device": device });
    let opened = backend.open(REGISTRATIONS, &wish)?.accepted()?;
    let sealed = perform(machine, "alice", Order::Register(&opened.packet()?))?.signed()?;
    backend.complete(REGISTRATIONS, opened.text("ceremony"), &sealed)?.accepted()?;
    let begun =
        device::remote(machine, async |remote| remote.begin_device_enrolment(&registry.plan.name).await)??;
    let devices = format!("{}/v1/devices", registry.api_url()?);
    Https::new(&registry.ca())?.post(&devices, None, &json!({ "packet": to_text(&begun) }))?.accepted()?;
    // One that is not finished changes nothing.
    said(&shop(machine, server, &["authenticate", "alice"], "")?, 0)?;
    Ok(())
}

fn who_is_suspended_there_is_refused_here(scene: &Scene) -> Result {
    let Scene { machine, registry, server, identity } = scene;
    let backend = Backend::of(server, SHOP)?;
    let wish = json!({ "device": towards(machine, server, SHOP)? });
    let opened = backend.open(AUTHENTICATIONS, &wish)?.accepted()?;
    let signed = perform(machine, "alice", Order::Authenticate(&opened.packet()?))?.signed()?;
    let complete = || backend.complete(AUTHENTICATIONS, opened.text("ceremony"), &signed);
    accepted(&registry.admin(&["device", "suspend", "--", identity])?)?;
    assert_eq!(complete()?.reason(), "device-suspended");
    accepted(&registry.admin(&["device", "resume", "--", identity])?)?;
    complete()?.accepted()?;
    accepted(&registry.admin(&["device", "revoke", "--", identity])?)?;
    let told = said(&shop(machine, server, &["authenticate", "alice"], "")?, 1)?;
    assert_eq!((&told["result"], &told["signed"]), (&json!("refused"), &json!(false)), "{told}");
    Ok(())
}
