//! What root does with cameras: discover, pair, unpair.

use serde_json::json;
use vultus_ipc::camera::Spectrum;
use vultus_ipc::vault::{Pairing, VaultReply, VaultRequest};

use crate::commands::Place;
use crate::vault::ask;
use crate::{CameraAction, Done, Outcome};

pub fn manage(place: &Place, action: CameraAction) -> Result<Outcome, Box<dyn std::error::Error>> {
    let (request, said) = match action {
        CameraAction::Discover => (VaultRequest::DiscoverCameras, String::new()),
        CameraAction::Pair { camera } => {
            let said = format!("paired {camera}");
            (VaultRequest::PairCamera { camera }, said)
        }
        CameraAction::Unpair { camera } => {
            let said = format!("forgot {camera}");
            (VaultRequest::UnpairCamera { camera }, said)
        }
    };
    match ask(place, &request)? {
        VaultReply::Done => Ok(Outcome { json: json!({ "ok": true }), text: said, done: Done::Yes }),
        VaultReply::Cameras(cameras) => {
            let rows: Vec<_> = cameras
                .iter()
                .map(|c| {
                    let paired = c.paired == Pairing::Paired;
                    let spectrum = if c.spectrum == Spectrum::Colour { "colour" } else { "grey" };
                    json!({ "id": c.id, "name": c.label, "spectrum": spectrum, "paired": paired })
                })
                .collect();
            let text = cameras
                .iter()
                .map(|c| format!("{:9} {}  ({})", format!("{:?}", c.paired).to_lowercase(), c.id, c.label))
                .collect::<Vec<_>>()
                .join("\n");
            Ok(Outcome { json: json!({ "cameras": rows }), text, done: Done::Yes })
        }
        VaultReply::Refused(reason) => Err(reason.into()),
        _ => Err("the vault gave an answer of another kind".into()),
    }
}
