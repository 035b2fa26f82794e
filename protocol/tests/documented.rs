//! docs/protocol.md says what the messages are: each context, cap and field of the code stands in it.

mod samples;

use std::fmt::Debug;
use std::fs;
use std::path::Path;

use samples::described::{Described, Field, Node};
use samples::{Each, Sample};
use vultus_protocol::Message;

struct Specification(String);

impl Specification {
    /// The part that begins with the heading that holds this.
    fn section(&self, heading: &str) -> &str {
        let sections = self.0.split("\n#").skip(1);
        let mut found = sections.filter(|s| s.lines().next().unwrap().contains(heading));
        let section = found.next().unwrap_or_else(|| panic!("no section {heading}"));
        assert!(found.next().is_none(), "two sections {heading}");
        section
    }

    /// A row for each field, and one for each field of a map inside it, wherever that is described.
    fn fields(&self, section: &str, fields: &[Field]) {
        for field in fields {
            let kind = match &field.value {
                Node::Bytes(_) => "bstr",
                Node::Text(_) => "tstr",
                Node::Uint(_) => "uint",
                Node::Map(_) => "map",
                Node::Array(_) => "array",
            };
            let row = format!("| {} | `{}` | {kind}", field.key, field.name);
            assert!(section.contains(&row), "no row that begins with {row} in\n{section}");
            match &field.value {
                Node::Map(fields) => self.fields(&self.0, fields),
                Node::Array(nodes) => {
                    for node in nodes {
                        if let Node::Map(fields) = node {
                            self.fields(&self.0, fields);
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

impl Each for Specification {
    fn each<M: Message + Described + Clone + PartialEq + Debug>(&mut self, sample: Sample<M>) {
        let section = self.section(&format!("`{}`", M::CONTEXT.0));
        let cap = format!("most {} bytes", M::CAP);
        assert!(section.contains(&cap), "{}: not {cap}", M::CONTEXT.0);
        self.fields(section, &sample.message.fields());
    }
}

#[test]
fn every_field_of_every_message_is_in_the_specification() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol.md");
    samples::every(&mut Specification(fs::read_to_string(path).unwrap()));
}
