//! Somebody before the scripted camera who is played while the camera looks, and does what is asked: a role in a
//! file, and a second file in which the harness writes what the machine has just asked for.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use vultus_ipc::Guidance;
use vultus_vision::liveness::Action;

use crate::films;
use crate::pictures::Photograph;
use crate::simulation::{self, AttackKind, Cast, Performance, Prompted};
use crate::sitter::Sitter;
use crate::video::Picture;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How a role's file ends.
pub const ROLE: &str = "role";
/// Beside the role: the word of the action that is asked for now.
const PROMPT: &str = "prompt";
/// And the word of the colour that the machine's screen shows now.
const SCREEN: &str = "screen";

/// Who is played.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Role {
    /// Whose face it is: the file of a photograph.
    pub photograph: String,
    /// The attack that is made with it; nothing for the person herself.
    pub attack: Option<String>,
    pub seed: u64,
}

/// What the person is asked to do, where the machine's sentence asks for something.
pub fn asked(sentence: &str) -> Option<Action> {
    Action::ALL.into_iter().find(|action| vultus_vault::liveness::prompt(*action).sentence() == sentence)
}

/// Tells whoever is before the camera, by the folder of the role, what is asked for.
pub fn tell(folder: &Path, action: Action) -> std::io::Result<()> {
    let (next, now) = (folder.join("next-prompt"), folder.join(PROMPT));
    std::fs::write(&next, action.word())?;
    std::fs::rename(next, now)
}

/// Nothing is asked for any more, and the screen is as always.
pub fn tell_nothing(folder: &Path) {
    // There may be nothing to take back.
    let _ = std::fs::remove_file(folder.join(PROMPT));
    let _ = std::fs::remove_file(folder.join(SCREEN));
}

/// The machine's screen, before which the person sits, shows the colour of this word of guidance from now on.
pub fn shine(folder: &Path, word: &str) -> std::io::Result<()> {
    let (next, now) = (folder.join("next-screen"), folder.join(SCREEN));
    std::fs::write(&next, word)?;
    std::fs::rename(next, now)
}

/// What a screen shows that was told this word.
fn colour(word: &str) -> Option<[u8; 3]> {
    Guidance::COLOURS.into_iter().find(|guidance| guidance.word() == word)?.colour()
}

/// Plays a role for as long as a camera looks.
pub struct Actor {
    performance: Box<dyn Performance>,
    begun: Instant,
    prompt: PathBuf,
    prompted: Option<Prompted>,
    screen: PathBuf,
}

impl Actor {
    /// The role in a file.
    pub fn new(role: &Path) -> Result<Self> {
        let played: Role = toml::from_str(&std::fs::read_to_string(role)?)?;
        let folder = role.parent().ok_or("a role without a folder")?;
        Ok(Self {
            performance: performance(&played)?,
            begun: Instant::now(),
            prompt: folder.join(PROMPT),
            prompted: None,
            screen: folder.join(SCREEN),
        })
    }

    /// The picture of now.
    pub fn picture(&mut self) -> Picture {
        let at_s = self.begun.elapsed().as_secs_f32();
        let word = std::fs::read_to_string(&self.prompt).unwrap_or_default();
        let action = Action::of_word(&word);
        if self.prompted.map(|p| p.action) != action {
            self.prompted = action.map(|action| Prompted { action, since_s: at_s });
        }
        let shown = std::fs::read_to_string(&self.screen).unwrap_or_default();
        self.performance.shine(colour(&shown));
        self.performance.frame(at_s, self.prompted)
    }
}

/// Sitters are kept for as long as the process lasts: it is a camera with few people in front of it.
fn performance(role: &Role) -> Result<Box<dyn Performance>> {
    let observer = films::observer()?;
    let sitter = |which: Photograph| -> Result<&'static Sitter> {
        Ok(Box::leak(Box::new(films::sitter(&observer, which)?)))
    };
    let named = |photograph: &Photograph| photograph.file() == role.photograph;
    let victim = sitter(Photograph::ALL.into_iter().find(named).ok_or("no such photograph")?)?;
    let Some(name) = &role.attack else {
        return Ok(simulation::bona_fide(victim, role.seed));
    };
    let kind = AttackKind::ALL.into_iter().find(|kind| kind.name() == name).ok_or("no such attack")?;
    let cast = Cast { victim, attacker: sitter(Photograph::PersonB)? };
    Ok(simulation::attack(kind, cast, role.seed))
}
