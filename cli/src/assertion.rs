//! `vultus assert`: what an application on this machine gets instead of a yes, shown to a person.

use serde_json::json;
use vultus_protocol::api::to_text;

use crate::ceremony::{self, Consent, Ending, Order};
use crate::commands::{manager, remote};
use crate::screen::{Screen, ScreenChoice};
use crate::{Done, Outcome};

pub async fn assert(audience: &str, screen: ScreenChoice) -> Result<Outcome, Box<dyn std::error::Error>> {
    let mut screen = Screen::at_terminal(screen)?;
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce).map_err(|e| format!("no random bytes can be had: {e}"))?;
    let order = Order::Assert { nonce: &nonce, audience };
    let assertion = match ceremony::run(order, None, Consent::Asked, &mut screen).await? {
        Ending::Signed { packet, .. } => to_text(&packet),
        Ending::Unsigned(word) => return Ok(ceremony::unsigned(&word)),
    };
    let (bus, _) = manager().await?;
    // There is none before the first assertion.
    let key = to_text(&remote(&bus).await?.get_assertion_key(audience).await?);
    let nonce = to_text(&nonce);
    let text = format!("assertion  {assertion}\nnonce      {nonce}\nkey        {key}");
    let json = json!({
        "ok": true, "audience": audience, "assertion": assertion, "nonce": nonce, "key": key,
    });
    Ok(Outcome { json, text, done: Done::Yes })
}
