//! What the shop's page shows of a registration, a login and a refusal, in a real browser.

use std::error::Error;
use std::path::Path;

use vultus_tests::browser::Browser;
use vultus_tests::device::{self, said, shop};
use vultus_tests::server::{Plan, SHOP, Server, accepted};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

const SERVER: &str = "auth.example";

#[test]
fn the_page_draws_the_dance() -> Result {
    let machine = device::alices_machine()?;
    let plan = Plan::new(SERVER, vec![machine.endorsement_roots()]);
    let server = Server::start(machine.path("server"), plan)?;
    let browser = Browser::new(machine.path("browser"), &server.ca())?;
    let empty = browser.document(&server.shop_url()?)?;
    expect(&empty, &["Nothing has happened yet.", SHOP, SERVER])?;

    let identity = device::enrol_device(&machine, &server)?;
    said(&shop(&machine, &server, &["register", "alice"], "")?, 0)?;
    said(&shop(&machine, &server, &["authenticate", "alice"], "")?, 0)?;
    accepted(&server.admin(&["device", "suspend", &identity])?)?;
    said(&shop(&machine, &server, &["authenticate", "alice"], "")?, 1)?;

    let page = browser.document(&server.shop_url()?)?;
    // The list has every ceremony; the steps are those of the last.
    expect(&page, &["registered by face", "authenticated by face", "refused: device-suspended"])?;
    expect(&page, &["520", "authentication information request", "alice", SHOP, SERVER, "live"])?;
    // Nobody may learn the device's identity from the page, nor all of what the shop calls it.
    let pairwise = device::towards(&machine, &server, SHOP)?;
    for whole in [&identity, &pairwise] {
        assert!(!page.contains(whole.as_str()), "{whole} is on the page");
    }
    let picture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/demo/relying-party.png");
    browser.picture(&server.shop_url()?, &picture)
}

/// The words that a page must have.
fn expect(page: &str, words: &[&str]) -> Result {
    match words.iter().find(|word| !page.contains(**word)) {
        None => Ok(()),
        Some(missing) => Err(format!("no {missing:?} in {page}").into()),
    }
}
