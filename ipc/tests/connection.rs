//! What a connection refuses, notices and hands over. No assertion here is about how long anything took.

use std::io::{IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, UCred, sendmsg};
use vultus_ipc::camera::CameraReply;
use vultus_ipc::login::LoginRequest;
use vultus_ipc::vault::VaultRequest;
use vultus_ipc::wire::{self, PREFIX};
use vultus_ipc::{Connection, Deadline, IpcError, Listener, Message, Uid};

/// Long enough that only something that hangs gets there.
fn ample() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}

/// What is not there now does not come.
fn brief() -> Deadline {
    Deadline::after(Duration::from_millis(5))
}

fn passed() -> Deadline {
    Deadline::after(Duration::ZERO)
}

fn message() -> VaultRequest {
    VaultRequest::PairCamera { camera: "usb:1-2:046d:085e:7".to_owned() }
}

fn framed() -> Vec<u8> {
    wire::encode(&message()).unwrap().to_vec()
}

/// A connection, and its other end as a bare socket.
fn half() -> (Connection, UnixStream) {
    let (ours, theirs) = Connection::pair().unwrap();
    (ours, UnixStream::from(theirs.into_descriptor()))
}

/// Bytes with descriptors attached to the first of them.
fn send_raw(socket: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(descriptors)));
    }
    let sent = sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL).unwrap();
    assert_eq!(sent, bytes.len());
}

fn own() -> Uid {
    Uid::own()
}

fn somebody_else() -> Uid {
    Uid(own().0.wrapping_add(1))
}

#[test]
fn a_message_arrives_with_its_sender() {
    let (mut a, mut b) = Connection::pair().unwrap();
    a.send(&message(), ample()).unwrap();
    let received = b.receive_all::<VaultRequest>(ample()).unwrap();
    assert_eq!(received.message, message());
    assert_eq!(received.sender, own());
    assert!(received.descriptor.is_none());
    assert_eq!(b.peer().unwrap().uid, own());
    assert_eq!(b.peer().unwrap().pid, std::process::id());
}

#[test]
fn a_message_may_come_byte_by_byte() {
    let (mut ours, mut theirs) = half();
    for byte in framed() {
        theirs.write_all(&[byte]).unwrap();
    }
    let received = ours.receive_all::<VaultRequest>(ample()).unwrap();
    assert_eq!((received.message, received.sender), (message(), own()));
}

#[test]
fn two_messages_at_once_stay_two() {
    let (mut ours, mut theirs) = half();
    let second = VaultRequest::ListFaces { uid: 7 };
    theirs.write_all(&[framed(), wire::encode(&second).unwrap().to_vec()].concat()).unwrap();
    assert_eq!(ours.receive::<VaultRequest>(ample()).unwrap(), message());
    assert_eq!(ours.receive::<VaultRequest>(ample()).unwrap(), second);
    assert!(matches!(ours.receive::<VaultRequest>(brief()), Err(IpcError::Timeout)));
}

// Deadlines.

#[test]
fn silence_ends_at_the_deadline() {
    let (mut ours, mut theirs) = half();
    assert!(matches!(ours.receive::<VaultRequest>(brief()), Err(IpcError::Timeout)));
    // All but the last byte is no message either.
    let framed = framed();
    theirs.write_all(&framed[..framed.len() - 1]).unwrap();
    assert!(matches!(ours.receive::<VaultRequest>(brief()), Err(IpcError::Timeout)));
}

#[test]
fn nothing_is_read_after_the_deadline() {
    let (mut ours, mut theirs) = half();
    theirs.write_all(&framed()).unwrap();
    assert!(matches!(ours.receive::<VaultRequest>(passed()), Err(IpcError::Timeout)));
    assert_eq!(ours.receive::<VaultRequest>(ample()).unwrap(), message());
}

#[test]
fn a_reader_who_does_not_read_is_not_waited_for() {
    let (mut ours, _theirs) = half();
    let more_than_a_socket_holds = CameraReply::Frame {
        header: Vec::<u8>::new().into(),
        ciphertext: vec![0u8; CameraReply::CAP - 1024].into(),
        signature: Vec::<u8>::new().into(),
    };
    assert!(matches!(ours.send(&more_than_a_socket_holds, brief()), Err(IpcError::Timeout)));
}

// Ends that go.

#[test]
fn a_message_that_breaks_off_is_closed() {
    let framed = framed();
    for length in 0..framed.len() {
        let (mut ours, mut theirs) = half();
        theirs.write_all(&framed[..length]).unwrap();
        drop(theirs);
        let ended = ours.receive::<VaultRequest>(ample());
        assert!(matches!(ended, Err(IpcError::Closed)), "{length} bytes: {ended:?}");
    }
}

#[test]
fn a_message_to_nobody_is_closed() {
    let (mut ours, theirs) = half();
    drop(theirs);
    assert!(matches!(ours.send(&message(), ample()), Err(IpcError::Closed)));
}

#[test]
fn a_peer_that_hangs_up_or_speaks_out_of_turn_is_noticed() {
    let (ours, theirs) = half();
    assert!(!ours.hung_up());
    drop(theirs);
    assert!(ours.hung_up());

    let (ours, mut theirs) = half();
    theirs.write_all(&[0]).unwrap();
    assert!(ours.hung_up());

    let (ours, theirs) = half();
    theirs.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(ours.hung_up());
}

#[test]
fn a_handle_ends_both_directions() {
    let (mut a, mut b) = Connection::pair().unwrap();
    a.handle().unwrap().close();
    assert!(matches!(a.receive::<VaultRequest>(ample()), Err(IpcError::Closed)));
    assert!(matches!(b.receive::<VaultRequest>(ample()), Err(IpcError::Closed)));
    assert!(matches!(b.send(&message(), ample()), Err(IpcError::Closed)));
}

// Bytes that are no message.

#[test]
fn a_length_over_the_cap_is_refused_before_its_bytes_come() {
    let (mut ours, mut theirs) = half();
    let length = LoginRequest::CAP + 1;
    theirs.write_all(&(length as u32).to_le_bytes()).unwrap();
    match ours.receive::<LoginRequest>(ample()) {
        Err(IpcError::Oversize(announced)) => assert_eq!(announced, length),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_length_of_nothing_is_refused() {
    let (mut ours, mut theirs) = half();
    theirs.write_all(&[0; PREFIX]).unwrap();
    assert!(matches!(ours.receive::<LoginRequest>(ample()), Err(IpcError::Malformed(_))));
}

#[test]
fn a_body_that_is_no_message_is_refused() {
    let (mut ours, mut theirs) = half();
    theirs.write_all(&[3, 0, 0, 0, 0x82, 0x18, 0x63]).unwrap();
    assert!(matches!(ours.receive::<LoginRequest>(ample()), Err(IpcError::Malformed(_))));
}

// Senders.

#[test]
fn only_the_expected_sender_is_believed() {
    let (mut a, mut b) = Connection::pair().unwrap();
    a.send(&message(), ample()).unwrap();
    assert_eq!(b.receive_from::<VaultRequest>(own(), ample()).unwrap(), message());
    a.send(&message(), ample()).unwrap();
    match b.receive_from::<VaultRequest>(somebody_else(), ample()) {
        Err(IpcError::WrongSender(uid)) => assert_eq!(uid, own().0),
        other => panic!("{other:?}"),
    }
}

/// Root alone may name another sender to the kernel: run by anybody else, this tries nothing.
#[test]
fn one_message_has_one_sender() {
    let (mut ours, mut theirs) = half();
    let framed = framed();
    theirs.write_all(&framed[..PREFIX]).unwrap();
    let forged = UCred {
        pid: rustix::process::getpid(),
        uid: rustix::process::Uid::from_raw(somebody_else().0),
        gid: rustix::process::getgid(),
    };
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    assert!(ancillary.push(SendAncillaryMessage::ScmCredentials(forged)));
    let rest = [IoSlice::new(&framed[PREFIX..])];
    if let Err(why) = sendmsg(&theirs, &rest, &mut ancillary, SendFlags::NOSIGNAL) {
        eprintln!("not tried, since the kernel lets nobody but root name a sender: {why}");
        return;
    }
    match ours.receive::<VaultRequest>(ample()) {
        Err(IpcError::WrongSender(uid)) => assert_eq!(uid, somebody_else().0),
        other => panic!("{other:?}"),
    }
}

// Descriptors.

#[test]
fn a_descriptor_arrives_with_its_message() {
    let (mut a, mut b) = Connection::pair().unwrap();
    let (mut near, far) = UnixStream::pair().unwrap();
    a.send_with(&message(), far.as_fd(), ample()).unwrap();
    a.send(&message(), ample()).unwrap();
    drop(far);

    let received = b.receive_all::<VaultRequest>(ample()).unwrap();
    assert_eq!(received.message, message());
    let descriptor = received.descriptor.expect("no descriptor came");
    let flags = rustix::io::fcntl_getfd(&descriptor).unwrap();
    assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    UnixStream::from(descriptor).write_all(b"it is this one").unwrap();
    let mut heard = String::new();
    near.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    near.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "it is this one");

    let next = b.receive_all::<VaultRequest>(ample()).unwrap();
    assert!(next.descriptor.is_none());
}

#[test]
fn more_than_one_descriptor_is_refused() {
    let (other, _) = UnixStream::pair().unwrap();
    for count in [2, 3, 4] {
        let (mut ours, theirs) = half();
        send_raw(&theirs, &framed(), &vec![other.as_fd(); count]);
        let refused = ours.receive_all::<VaultRequest>(ample());
        assert!(matches!(refused, Err(IpcError::Malformed(_))), "{count}: {refused:?}");
    }
}

#[test]
fn a_second_descriptor_later_in_the_message_is_refused() {
    let (other, _) = UnixStream::pair().unwrap();
    let framed = framed();
    let (mut ours, theirs) = half();
    send_raw(&theirs, &framed[..PREFIX], &[other.as_fd()]);
    send_raw(&theirs, &framed[PREFIX..], &[other.as_fd()]);
    assert!(matches!(ours.receive_all::<VaultRequest>(ample()), Err(IpcError::Malformed(_))));
}

// Listening and connecting.

/// A folder of this test's own, gone when it ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("vultus-ipc-{}-{name}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("socket")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left behind is empty and in the system's temporary folder.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn where_nobody_listens_nobody_answers() {
    let folder = Folder::new("absent");
    let path = folder.socket();
    assert!(matches!(Connection::connect(&path, ample()), Err(IpcError::Absent)));
    // The name that a dead process left behind.
    drop(UnixListener::bind(&path).unwrap());
    assert!(matches!(Connection::connect(&path, ample()), Err(IpcError::Absent)));
    // A file where a folder should be.
    let file = folder.0.join("file");
    std::fs::write(&file, "").unwrap();
    assert!(matches!(Connection::connect(&file.join("socket"), ample()), Err(IpcError::Absent)));
}

#[test]
fn a_listener_takes_the_place_of_a_dead_one_and_leaves_no_name() {
    let folder = Folder::new("listener");
    let path = folder.socket();
    drop(UnixListener::bind(&path).unwrap());

    let listener = Listener::bind(&path, 0o640).unwrap();
    let mode = std::fs::symlink_metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    let mut asker = Connection::connect(&path, ample()).unwrap();
    // Even what was sent before anyone accepted has its sender.
    asker.send(&message(), ample()).unwrap();
    let mut served = listener.accept().unwrap();
    assert_eq!(served.receive_from::<VaultRequest>(own(), ample()).unwrap(), message());
    served.send(&message(), ample()).unwrap();
    assert_eq!(asker.receive_from::<VaultRequest>(own(), ample()).unwrap(), message());

    drop(listener);
    assert!(!path.exists());
    assert!(matches!(Connection::connect(&path, ample()), Err(IpcError::Absent)));
}

/// A socket that the service manager made is the service manager's to remove.
#[test]
fn an_adopted_listener_leaves_its_name_alone() {
    let folder = Folder::new("adopted");
    let path = folder.socket();
    let listener = Listener::adopt(OwnedFd::from(UnixListener::bind(&path).unwrap()));
    let mut asker = Connection::connect(&path, ample()).unwrap();
    asker.send(&message(), ample()).unwrap();
    assert_eq!(listener.accept().unwrap().receive::<VaultRequest>(ample()).unwrap(), message());
    drop(listener);
    assert!(path.exists());
}
