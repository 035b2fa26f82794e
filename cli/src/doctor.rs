//! Looks at each part in the order in which a login needs it, and says what to do about the first that
//! is missing and all after it.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use vultus_cli::bus::{CameraProxy, ManagerProxy};
use vultus_ipc::{Connection as Socket, Deadline};
use vultus_vision::Models;
use zbus::Connection;

use crate::commands::Place;
use crate::{Done, Outcome};

/// One finding.
struct Finding {
    name: &'static str,
    /// What is wrong, and what to do; nothing where all is well.
    trouble: Option<String>,
}

/// How long a part may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

pub async fn examine(place: &Place, models: &Path) -> Outcome {
    let mut findings = vec![
        find(
            "models",
            Models::read(models)
                .err()
                .map(|e| format!("{e}. Reinstall the package, or run `cargo xtask models`.")),
        ),
        socket(place, "vault.sock", "vultus-vault"),
        socket(place, "password.sock", "vultus-password"),
        socket(place, "login.sock", "vultusd"),
    ];
    findings.extend(bus().await);
    let done = if findings.iter().all(|f| f.trouble.is_none()) { Done::Yes } else { Done::No };
    let rows: Vec<_> = findings
        .iter()
        .map(|f| json!({ "name": f.name, "ok": f.trouble.is_none(), "trouble": f.trouble }))
        .collect();
    let text = findings
        .iter()
        .map(|f| format!("{:10} {}", f.name, f.trouble.as_deref().unwrap_or("ok")))
        .collect::<Vec<_>>()
        .join("\n");
    Outcome { json: json!({ "ok": done == Done::Yes, "findings": rows }), text, done }
}

fn find(name: &'static str, trouble: Option<String>) -> Finding {
    Finding { name, trouble }
}

fn socket(place: &Place, file: &str, service: &'static str) -> Finding {
    let path = place.runtime.join(file);
    let trouble = Socket::connect(&path, Deadline::after(PATIENCE)).err();
    find(service, trouble.map(|e| format!("{e} at {}. Start it: systemctl start {service}.", path.display())))
}

async fn bus() -> Vec<Finding> {
    let manager = match Connection::system().await {
        Err(e) => return vec![find("bus", Some(format!("{e}. Is dbus running?")))],
        Ok(bus) => ManagerProxy::new(&bus).await.map(|manager| (bus, manager)),
    };
    let (bus, manager) = match manager {
        Ok(both) => both,
        Err(e) => return vec![find("bus", Some(e.to_string()))],
    };
    let state = match manager.get_status().await {
        Err(e) => Some(format!("{e}. Start it: systemctl start vultusd.")),
        Ok((state, _, _)) if state == "ready" => None,
        Ok((state, _, _)) => Some(format!("{state}. A face cannot be used; the password still works.")),
    };
    let camera = match manager.get_default_camera().await {
        Ok(path) => faces(&bus, path).await,
        Err(e) => {
            vec![find("camera", Some(format!("{e}. As root: `vultus cameras discover`, then `pair`.")))]
        }
    };
    std::iter::once(find("state", state)).chain(camera).collect()
}

async fn faces(bus: &Connection, path: zbus::OwnedObjectPath) -> Vec<Finding> {
    let listed = match CameraProxy::builder(bus).path(path).build().await {
        Ok(camera) => camera.list_enrolled_faces("").await,
        Err(e) => Err(e),
    };
    let trouble = match listed {
        Ok(faces) if faces.is_empty() => Some("none is enrolled. Run `vultus enroll`.".to_owned()),
        Ok(_) => None,
        Err(e) => Some(e.to_string()),
    };
    vec![find("camera", None), find("faces", trouble)]
}
