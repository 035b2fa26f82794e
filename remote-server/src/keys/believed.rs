//! Which keys signed for this server, found out from some that are known to be its own. It believes no set
//! because of where the set was found.

use std::collections::HashMap;

use vultus_protocol::{Envelope, KeyId, PublicKey, ServerKeys, ServerName};

/// These keys, and those of every set that one of them signed, or one of such a set.
pub fn by(
    own: impl Iterator<Item = PublicKey>,
    name: &ServerName,
    published: &[Vec<u8>],
) -> HashMap<KeyId, PublicKey> {
    let mut known: HashMap<KeyId, PublicKey> = own.map(|key| (key.id(), key)).collect();
    loop {
        let before = known.len();
        for packet in published {
            if let Some(set) = vouched(packet, &known).filter(|set| set.server == *name) {
                known.extend(set.signing.iter().map(|timed| (timed.key.id(), timed.key)));
            }
        }
        // A newer set may vouch for the key that signed an older one.
        if known.len() == before {
            return known;
        }
    }
}

fn vouched(packet: &[u8], known: &HashMap<KeyId, PublicKey>) -> Option<ServerKeys> {
    let envelope = Envelope::<ServerKeys>::parse(packet).ok()?;
    let key = known.get(&envelope.key())?;
    envelope.verify(key).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::file::{Held, HeldKey};
    use crate::keys::sets;
    use crate::keys::state::SigningKey;

    const NOW: u64 = 1_800_000_000;

    fn name() -> ServerName {
        ServerName::new("auth.example").unwrap()
    }

    fn set(version: u64, of: &[&Held], by: &Held) -> Vec<u8> {
        let timed = |held: &&Held| held.signing[0].timed();
        let signing: Vec<_> = of.iter().map(timed).collect();
        let set = ServerKeys { server: name(), version, sealing: signing.clone(), signing };
        let own: &HeldKey = &by.signing[0];
        SigningKey::new(own.timed(), &own.secret).unwrap().sign(&set).unwrap()
    }

    fn known(own: &Held, published: &[Vec<u8>]) -> HashMap<KeyId, PublicKey> {
        by(own.signing.iter().map(|key| key.public), &name(), published)
    }

    #[test]
    fn what_the_own_keys_vouch_for_is_believed_and_nothing_else() {
        let held = || Held::fresh(NOW).unwrap();
        let (first, second, third, stranger) = (held(), held(), held(), held());
        let id = |held: &Held| held.signing[0].public.id();
        let sets = [
            set(1, &[&first], &first),
            set(2, &[&second, &first], &first),
            set(3, &[&third, &second], &second),
        ];
        let all = known(&first, &sets);
        assert!(all.len() == 3 && all.contains_key(&id(&third)));
        // Nothing that the third key vouches for says whose the first was.
        let some = known(&third, &sets);
        assert!(some.len() == 1 && some.contains_key(&id(&third)));
        let some = known(&second, &sets);
        assert!(some.len() == 2 && !some.contains_key(&id(&first)));
        // A whole history of a stranger that ends with the server's own key.
        let forged = [set(1, &[&stranger], &stranger), set(2, &[&first, &stranger], &stranger)];
        assert!(!known(&first, &forged).contains_key(&id(&stranger)));
        let other = ServerName::new("other.example").unwrap();
        assert_eq!(by(first.signing.iter().map(|key| key.public), &other, &sets).len(), 1);
        assert!(sets::newest(&name(), &sets, NOW).is_ok());
    }
}
