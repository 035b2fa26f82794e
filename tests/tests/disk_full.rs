//! A full disk under the vault's state: the change that does not fit is an error and leaves the old state, and
//! once there is room again it can be made.

use std::path::Path;

use vultus_tests::process::{run, system};
use vultus_vault::VaultError;
use vultus_vault::records::{Kind, RowName, VERSION};
use vultus_vault::store::{Change, SealedRow, Store};

/// A small file system of its own, until it is dropped.
struct Small(tempfile::TempDir);

impl Small {
    fn mount() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = system("mount");
        mount.args(["-t", "tmpfs", "-o", "size=400k,mode=700", "tmpfs"]).arg(folder.path());
        let done = run(mount, 0, "").unwrap();
        assert_eq!(done.status, 0, "{done:?}");
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let mut unmount = system("umount");
        unmount.arg(self.0.path());
        // The folder's own removal fails loudly where this did not work.
        let _ = run(unmount, 0, "");
    }
}

fn put(item: u32, content: Vec<u8>) -> [Change; 1] {
    [Change::Put(SealedRow { name: RowName::new(Kind::Template, 7, item), version: VERSION, content })]
}

#[test]
fn what_does_not_fit_is_refused_and_the_rest_stays() {
    let disk = Small::mount();
    let store = Store::open(disk.path()).unwrap();
    store.change(&put(0, vec![1; 3000])).unwrap();
    let filler = disk.path().join("filler");
    let full = std::fs::write(&filler, vec![0; 1 << 20]);
    assert!(full.is_err(), "the disk is larger than it should be");
    let refused = store.change(&put(0, vec![2; 60_000]));
    assert!(matches!(refused, Err(VaultError::Store(_))), "{refused:?}");
    let rows = store.list(Kind::Template, 7).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].content, vec![1; 3000], "the old state stands");
    std::fs::remove_file(filler).unwrap();
    store.change(&put(0, vec![2; 60_000])).unwrap();
    drop(store);
    let again = Store::open(disk.path()).unwrap();
    assert_eq!(again.list(Kind::Template, 7).unwrap()[0].content, vec![2; 60_000]);
}
