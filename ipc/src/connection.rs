//! A unix stream of messages, each read and written by a deadline, with the sender's user at hand.
//!
//! Threat model: M6.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, recvmsg, sendmsg, socket_with,
    sockopt,
};

use zeroize::Zeroizing;

use crate::wire::{self, Message};
use crate::{Deadline, IpcError, Peer, Uid};

/// One end of a connected unix stream socket.
#[derive(Debug)]
pub struct Connection {
    socket: OwnedFd,
}

/// A message, who sent it (as the kernel attached to its bytes), and a descriptor where one came along.
#[derive(Debug)]
pub struct Received<M> {
    pub message: M,
    pub sender: Uid,
    pub descriptor: Option<OwnedFd>,
}

impl Connection {
    /// Connects to a listening socket.
    pub fn connect(path: &Path, deadline: Deadline) -> Result<Self, IpcError> {
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        // A full backlog makes connect wait: not beyond the deadline.
        let left = deadline.remaining().max(Duration::from_millis(1));
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(left))?;
        let address = SocketAddrUnix::new(path)?;
        rustix::net::connect(&socket, &address).map_err(|e| match e {
            Errno::NOENT | Errno::CONNREFUSED | Errno::NOTDIR => IpcError::Absent,
            Errno::AGAIN => IpcError::Timeout,
            other => other.into(),
        })?;
        Self::adopt(socket)
    }

    /// Takes over a connected stream socket, such as one that was accepted or handed over.
    pub fn adopt(socket: OwnedFd) -> Result<Self, IpcError> {
        let unix = sockopt::socket_domain(&socket)? == AddressFamily::UNIX;
        if !unix || sockopt::socket_type(&socket)? != SocketType::STREAM {
            return Err(IpcError::Malformed("not a unix stream socket"));
        }
        // Unconnected sockets have no peer to ask about.
        rustix::net::getpeername(&socket)?;
        rustix::io::ioctl_fionbio(&socket, true)?;
        sockopt::set_socket_passcred(&socket, true)?;
        Ok(Self { socket })
    }

    /// Two ends joined to each other, for tests and for processes that fork.
    pub fn pair() -> Result<(Self, Self), IpcError> {
        let (a, b) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        Ok((Self::adopt(a)?, Self::adopt(b)?))
    }

    /// Who connected (for an accepted socket), or who listens (for a connected one).
    pub fn peer(&self) -> Result<Peer, IpcError> {
        Peer::of(&self.socket)
    }

    pub fn into_descriptor(self) -> OwnedFd {
        self.socket
    }

    /// A second handle to the same connection, to close it from elsewhere.
    pub fn handle(&self) -> Result<Handle, IpcError> {
        Ok(Handle { socket: self.socket.try_clone().map_err(|e| io_error(&e))? })
    }

    /// Ends the connection in both directions, for whoever still holds it.
    pub fn close(&self) {
        // An error means that it is closed already.
        let _ = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
    }

    /// Whether the other side has gone, or broke the rule of silence while it waits for an answer.
    pub fn hung_up(&self) -> bool {
        let mut polled = [rustix::event::PollFd::new(&self.socket, PollFlags::IN | PollFlags::RDHUP)];
        let now = rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 };
        !matches!(rustix::event::poll(&mut polled, Some(&now)), Ok(0) | Err(Errno::INTR))
    }

    pub fn send<M: Message>(&mut self, message: &M, deadline: Deadline) -> Result<(), IpcError> {
        self.send_bytes(&wire::encode(message)?, None, deadline)
    }

    /// Sends a message with a descriptor attached to its first byte.
    pub fn send_with<M: Message>(
        &mut self,
        message: &M,
        descriptor: BorrowedFd<'_>,
        deadline: Deadline,
    ) -> Result<(), IpcError> {
        self.send_bytes(&wire::encode(message)?, Some(descriptor), deadline)
    }

    pub fn receive<M: Message>(&mut self, deadline: Deadline) -> Result<M, IpcError> {
        Ok(self.receive_all(deadline)?.message)
    }

    /// A message whose every byte was sent by `sender`.
    pub fn receive_from<M: Message>(&mut self, sender: Uid, deadline: Deadline) -> Result<M, IpcError> {
        let received = self.receive_all(deadline)?;
        if received.sender != sender {
            return Err(IpcError::WrongSender(received.sender.0));
        }
        Ok(received.message)
    }

    /// A message with all that the kernel says of it.
    pub fn receive_all<M: Message>(&mut self, deadline: Deadline) -> Result<Received<M>, IpcError> {
        let mut origin = Origin::default();
        let mut prefix = [0; wire::PREFIX];
        self.fill(&mut prefix, &mut origin, deadline)?;
        // It may hold a password: wiped when dropped.
        let mut body = Zeroizing::new(vec![0; wire::announced::<M>(prefix)?]);
        self.fill(&mut body, &mut origin, deadline)?;
        let sender = origin.sender.ok_or(IpcError::Malformed("no credentials"))?;
        Ok(Received { message: wire::decode(&body)?, sender, descriptor: origin.descriptor })
    }

    fn send_bytes(
        &mut self,
        mut bytes: &[u8],
        mut descriptor: Option<BorrowedFd<'_>>,
        deadline: Deadline,
    ) -> Result<(), IpcError> {
        while !bytes.is_empty() {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            let descriptors = descriptor.as_slice();
            if !descriptors.is_empty() {
                ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
            }
            match sendmsg(&self.socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL) {
                Ok(sent) => {
                    bytes = &bytes[sent..];
                    descriptor = None;
                }
                Err(Errno::AGAIN) => deadline.wait(&self.socket, PollFlags::OUT)?,
                Err(Errno::INTR) => {}
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(IpcError::Closed),
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    fn fill(&self, mut target: &mut [u8], origin: &mut Origin, deadline: Deadline) -> Result<(), IpcError> {
        while !target.is_empty() {
            if deadline.passed() {
                return Err(IpcError::Timeout);
            }
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1), ScmCredentials(1))];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let result = recvmsg(
                &self.socket,
                &mut [IoSliceMut::new(target)],
                &mut ancillary,
                RecvFlags::CMSG_CLOEXEC,
            );
            match result {
                Ok(message) if message.bytes == 0 => return Err(IpcError::Closed),
                Ok(message) => {
                    origin.note(&mut ancillary)?;
                    target = &mut target[message.bytes..];
                }
                Err(Errno::AGAIN) => deadline.wait(&self.socket, PollFlags::IN)?,
                Err(Errno::INTR) => {}
                Err(Errno::CONNRESET) => return Err(IpcError::Closed),
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What the kernel attached to the bytes of one message.
#[derive(Default)]
struct Origin {
    sender: Option<Uid>,
    descriptor: Option<OwnedFd>,
}

impl Origin {
    /// Takes in one piece; pieces of one message must have one sender, and at most one descriptor.
    fn note(&mut self, ancillary: &mut RecvAncillaryBuffer<'_>) -> Result<(), IpcError> {
        for piece in ancillary.drain() {
            match piece {
                RecvAncillaryMessage::ScmCredentials(credentials) => {
                    let sender = Uid(credentials.uid.as_raw());
                    if self.sender.is_some_and(|known| known != sender) {
                        return Err(IpcError::WrongSender(sender.0));
                    }
                    self.sender = Some(sender);
                }
                RecvAncillaryMessage::ScmRights(descriptors) => {
                    for descriptor in descriptors {
                        if self.descriptor.replace(descriptor).is_some() {
                            return Err(IpcError::Malformed("two descriptors"));
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Closes a connection that another thread is reading.
#[derive(Debug)]
pub struct Handle {
    socket: OwnedFd,
}

impl Handle {
    /// The same connection, to send on while another thread reads from it.
    pub fn connection(&self) -> Result<Connection, IpcError> {
        Connection::adopt(self.socket.try_clone().map_err(|e| io_error(&e))?)
    }

    /// Ends the connection in both directions; whoever waits on either end is told so at once.
    pub fn close(&self) {
        // An error means that it is closed already.
        let _ = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
    }
}

/// A listening unix socket.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    /// The name, and the inode that it had.
    name: Option<(PathBuf, u64)>,
}

impl Listener {
    /// Listens at `path` with the given mode, replacing a socket that a dead process left behind.
    pub fn bind(path: &Path, mode: u32) -> Result<Self, IpcError> {
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        let address = SocketAddrUnix::new(path)?;
        remove_dead(path)?;
        // The mode goes with the socket, not with the name, which might be somebody else's by then.
        rustix::fs::fchmod(&socket, rustix::fs::Mode::from_raw_mode(mode))?;
        let umask = rustix::process::umask(rustix::fs::Mode::empty());
        let bound = rustix::net::bind(&socket, &address);
        rustix::process::umask(umask);
        bound?;
        // Inherited by what is accepted: no byte arrives without its sender's name.
        sockopt::set_socket_passcred(&socket, true)?;
        rustix::net::listen(&socket, 16)?;
        let inode = rustix::fs::lstat(path)?.st_ino;
        Ok(Self { socket, name: Some((path.to_owned(), inode)) })
    }

    /// Takes over a socket that the service manager listens on.
    pub fn adopt(socket: OwnedFd) -> Self {
        Self { socket, name: None }
    }

    /// The next connection.
    pub fn accept(&self) -> Result<Connection, IpcError> {
        loop {
            match rustix::net::accept_with(&self.socket, SocketFlags::CLOEXEC) {
                Ok(socket) => return Connection::adopt(socket),
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                // Out of descriptors or memory: that passes, and serving must not end with it.
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(e) => return Err(e.into()),
            }
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some((path, inode)) = &self.name
            // Another process may have the name by now.
            && rustix::fs::lstat(path).is_ok_and(|now| now.st_ino == *inode)
        {
            // A failure leaves a dead name that the next bind replaces.
            let _ = rustix::fs::unlink(path);
        }
    }
}

/// Removes the name of a socket that nobody listens on. Anything else that has the name stays.
fn remove_dead(path: &Path) -> Result<(), IpcError> {
    match rustix::fs::lstat(path) {
        Err(Errno::NOENT) => return Ok(()),
        Err(e) => return Err(e.into()),
        Ok(found) if rustix::fs::FileType::from_raw_mode(found.st_mode) != rustix::fs::FileType::Socket => {
            return Err(Errno::EXIST.into());
        }
        Ok(_) => {}
    }
    match Connection::connect(path, Deadline::after(Duration::from_secs(1))) {
        Err(IpcError::Absent) => Ok(rustix::fs::unlink(path)?),
        Ok(_) | Err(IpcError::Timeout) => Err(Errno::ADDRINUSE.into()),
        Err(e) => Err(e),
    }
}

fn io_error(error: &std::io::Error) -> IpcError {
    IpcError::System(Errno::from_io_error(error).unwrap_or(Errno::IO))
}
