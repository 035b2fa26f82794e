//! Who has claimed which camera, for which user, and what runs there. A claim belongs to the caller's
//! unique name on the bus, and ends with it.
//!
//! Threat model: M10, M47.

use std::collections::HashMap;

use crate::vault_client::{Confirmation, Running};

/// What a claimed camera is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Verify,
    Enrol,
    /// A verification that is to end in a signature.
    Ceremony,
}

/// One caller's hold on one camera.
pub struct Claim {
    /// The caller's unique name.
    pub owner: String,
    /// The user that faces are enrolled for or verified against.
    pub uid: u32,
    /// By the caller's own word: it shows the colours that guidance names.
    screen: bool,
    running: Option<Run>,
}

/// What runs for a claim.
struct Run {
    operation: Operation,
    number: u64,
    running: Running,
    /// A transaction was shown, and nobody has agreed to it yet.
    asking: bool,
}

/// Why a claim does not allow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimError {
    /// Another caller has it.
    Taken,
    /// The caller has not claimed it.
    NotClaimed,
    /// Something runs already.
    Running,
    /// Nothing of the kind runs.
    NotRunning,
}

/// All claims, by camera.
#[derive(Default)]
pub struct Claims {
    claims: HashMap<String, Claim>,
    runs: u64,
}

impl Claims {
    pub fn claim(&mut self, camera: &str, owner: &str, uid: u32) -> Result<(), ClaimError> {
        if self.claims.contains_key(camera) {
            return Err(ClaimError::Taken);
        }
        let claim = Claim { owner: owner.to_owned(), uid, screen: false, running: None };
        self.claims.insert(camera.to_owned(), claim);
        Ok(())
    }

    /// Gives a camera back, and cancels what runs there.
    pub fn release(&mut self, camera: &str, owner: &str) -> Result<(), ClaimError> {
        self.own(camera, owner)?;
        self.claims.remove(camera);
        Ok(())
    }

    /// The user that this caller claimed the camera for.
    pub fn user(&mut self, camera: &str, owner: &str) -> Result<u32, ClaimError> {
        self.own(camera, owner).map(|claim| claim.uid)
    }

    /// Whether something may start: claimed by this caller, and nothing runs.
    pub fn idle(&mut self, camera: &str, owner: &str) -> Result<u32, ClaimError> {
        let claim = self.own(camera, owner)?;
        if claim.running.is_some() { Err(ClaimError::Running) } else { Ok(claim.uid) }
    }

    /// Notes whether this caller shows the colours of guidance. What runs already is asked by its older word.
    pub fn shows_colours(&mut self, camera: &str, owner: &str, shows: bool) -> Result<(), ClaimError> {
        self.own(camera, owner)?.screen = shows;
        Ok(())
    }

    /// Whether there is a screen at hand, by this caller's word.
    pub fn screen(&mut self, camera: &str, owner: &str) -> Result<bool, ClaimError> {
        self.own(camera, owner).map(|claim| claim.screen)
    }

    /// Notes what runs, and gives the number of this run.
    pub fn started(
        &mut self,
        camera: &str,
        owner: &str,
        operation: Operation,
        running: Running,
    ) -> Result<u64, ClaimError> {
        self.idle(camera, owner)?;
        self.runs += 1;
        let run = self.runs;
        self.own(camera, owner)?.running = Some(Run { operation, number: run, running, asking: false });
        Ok(run)
    }

    /// Whether that run is still the one that runs: its events may be told.
    pub fn current(&self, camera: &str, run: u64) -> Option<&Claim> {
        self.claims.get(camera).filter(|c| c.running.as_ref().is_some_and(|r| r.number == run))
    }

    /// That run shows a transaction: its caller may agree to it.
    pub fn asks(&mut self, camera: &str, run: u64) {
        let running = self.claims.get_mut(camera).and_then(|claim| claim.running.as_mut());
        if let Some(running) = running.filter(|r| r.number == run) {
            running.asking = true;
        }
    }

    /// The caller agrees to the transaction that was shown: once, since the vault takes anything more for
    /// hanging up. Whether it is that very text is the vault's to say.
    pub fn agree(&mut self, camera: &str, owner: &str) -> Result<Confirmation, ClaimError> {
        match &mut self.own(camera, owner)?.running {
            Some(run) if run.asking => {
                run.asking = false;
                Ok(run.running.confirmation())
            }
            _ => Err(ClaimError::NotRunning),
        }
    }

    /// A run has ended by itself.
    pub fn ended(&mut self, camera: &str, run: u64) {
        if self.current(camera, run).is_some()
            && let Some(claim) = self.claims.get_mut(camera)
        {
            claim.running = None;
        }
    }

    /// The caller stops what runs.
    pub fn stop(&mut self, camera: &str, owner: &str, operation: Operation) -> Result<(), ClaimError> {
        let claim = self.own(camera, owner)?;
        match &claim.running {
            Some(run) if run.operation == operation => {
                claim.running = None;
                Ok(())
            }
            _ => Err(ClaimError::NotRunning),
        }
    }

    /// A caller has left the bus: everything of its own ends.
    pub fn left(&mut self, owner: &str) {
        self.claims.retain(|_, claim| claim.owner != owner);
    }

    fn own(&mut self, camera: &str, owner: &str) -> Result<&mut Claim, ClaimError> {
        match self.claims.get_mut(camera) {
            Some(claim) if claim.owner == owner => Ok(claim),
            Some(_) => Err(ClaimError::Taken),
            None => Err(ClaimError::NotClaimed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAMERA: &str = "camera";

    #[test]
    fn a_screen_is_its_claims() {
        let mut claims = Claims::default();
        assert_eq!(claims.shows_colours(CAMERA, ":1.1", true), Err(ClaimError::NotClaimed));
        assert_eq!(claims.claim(CAMERA, ":1.1", 7), Ok(()));
        assert_eq!(claims.screen(CAMERA, ":1.1"), Ok(false), "nobody is shown colours unasked");
        assert_eq!(claims.shows_colours(CAMERA, ":1.2", true), Err(ClaimError::Taken));
        assert_eq!(claims.screen(CAMERA, ":1.1"), Ok(false), "by the word of somebody else");
        assert_eq!(claims.shows_colours(CAMERA, ":1.1", true), Ok(()));
        assert_eq!(claims.screen(CAMERA, ":1.1"), Ok(true));
        assert_eq!(claims.shows_colours(CAMERA, ":1.1", false), Ok(()));
        assert_eq!(claims.screen(CAMERA, ":1.1"), Ok(false), "the last word counts");
    }

    #[test]
    fn a_screen_is_forgotten_with_its_claim() {
        let mut claims = Claims::default();
        let ends: [fn(&mut Claims); 2] =
            [|claims| claims.left(":1.1"), |claims| assert_eq!(claims.release(CAMERA, ":1.1"), Ok(()))];
        for end in ends {
            assert_eq!(claims.claim(CAMERA, ":1.1", 7), Ok(()));
            assert_eq!(claims.shows_colours(CAMERA, ":1.1", true), Ok(()));
            end(&mut claims);
            assert_eq!(claims.claim(CAMERA, ":1.1", 7), Ok(()));
            assert_eq!(claims.screen(CAMERA, ":1.1"), Ok(false));
            claims.left(":1.1");
        }
    }
}
