//! Vultus on the bus, as a client sees it.

use zbus::{OwnedObjectPath, proxy};

#[proxy(
    interface = "org.vultus.Vultus1.Manager",
    default_service = "org.vultus.Vultus1",
    default_path = "/org/vultus/Vultus1"
)]
pub trait Manager {
    fn get_cameras(&self) -> zbus::Result<Vec<OwnedObjectPath>>;
    fn get_default_camera(&self) -> zbus::Result<OwnedObjectPath>;
    fn get_status(&self) -> zbus::Result<(String, u8, String)>;
    fn request_ticket(&self, username: &str, action: &str) -> zbus::Result<Vec<u8>>;
    fn clear_lockout(&self, username: &str, ticket: Vec<u8>) -> zbus::Result<()>;
}

#[proxy(interface = "org.vultus.Vultus1.Camera", default_service = "org.vultus.Vultus1")]
pub trait Camera {
    fn claim(&self, username: &str) -> zbus::Result<()>;
    fn release(&self) -> zbus::Result<()>;
    fn shows_colours(&self, shows: bool) -> zbus::Result<()>;
    fn verify_start(&self) -> zbus::Result<()>;
    fn verify_stop(&self) -> zbus::Result<()>;
    fn enroll_start(&self, label: &str, ticket: Vec<u8>) -> zbus::Result<()>;
    fn enroll_stop(&self) -> zbus::Result<()>;
    fn list_enrolled_faces(&self, username: &str) -> zbus::Result<Vec<(u32, String, String, u8)>>;
    fn delete_enrolled_face(&self, face: u32, ticket: Vec<u8>) -> zbus::Result<()>;
    fn delete_enrolled_faces(&self, ticket: Vec<u8>) -> zbus::Result<()>;
    fn register_start(&self, packet: &[u8]) -> zbus::Result<()>;
    fn authenticate_start(&self, packet: &[u8]) -> zbus::Result<()>;
    fn deregister_start(&self, packet: &[u8]) -> zbus::Result<()>;
    fn verify_with_assertion_start(&self, nonce: &[u8], audience: &str) -> zbus::Result<()>;
    fn confirm(&self, text: &str) -> zbus::Result<()>;
    fn ceremony_stop(&self) -> zbus::Result<()>;

    #[zbus(property)]
    fn id(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn name(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn spectrum(&self) -> zbus::Result<String>;

    #[zbus(signal)]
    fn verify_status(&self, result: &str, done: bool) -> zbus::Result<()>;
    #[zbus(signal)]
    fn enroll_status(&self, result: &str, done: bool) -> zbus::Result<()>;
    #[zbus(signal)]
    fn guidance(&self, word: &str, sentence: &str, have: u8, need: u8) -> zbus::Result<()>;
    #[zbus(signal)]
    fn request(&self, server: &str, service: &str, account: &str, transaction: &str) -> zbus::Result<()>;
    #[zbus(signal)]
    fn ceremony_status(&self, result: &str, done: bool, packet: Vec<u8>) -> zbus::Result<()>;
}

#[proxy(
    interface = "org.vultus.Vultus1.Remote",
    default_service = "org.vultus.Vultus1",
    default_path = "/org/vultus/Vultus1"
)]
pub trait Remote {
    fn list_servers(&self) -> zbus::Result<Vec<(String, u64, String)>>;
    fn update_server_keys(&self, packet: &[u8]) -> zbus::Result<()>;
    fn get_device_information(&self, server: &str, service: &str) -> zbus::Result<(Vec<u8>, String, String)>;
    fn begin_device_enrolment(&self, server: &str) -> zbus::Result<Vec<u8>>;
    fn answer_device_challenge(&self, packet: &[u8]) -> zbus::Result<Vec<u8>>;
    fn finish_device_enrolment(&self, packet: &[u8]) -> zbus::Result<()>;
    fn list_accounts(&self, username: &str) -> zbus::Result<Vec<(String, String, String, bool)>>;
    fn remove_account(
        &self,
        username: &str,
        server: &str,
        service: &str,
        account: &str,
        ticket: Vec<u8>,
    ) -> zbus::Result<()>;
    fn finish_registration(&self, packet: &[u8]) -> zbus::Result<()>;
    fn finish_deregistration(&self, packet: &[u8]) -> zbus::Result<()>;
    fn get_assertion_key(&self, audience: &str) -> zbus::Result<Vec<u8>>;
}
