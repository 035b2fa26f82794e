//! The kernel's cameras: which there are, what they offer, and a streaming loop over mapped buffers.
//! The only file that does V4L2.
//!
//! Enumeration and formats go through the `v4l` crate. The loop is our own, since that crate's gives
//! back a buffer it does not own after a timeout and panics when a device fails while it is dropped.
//! Every wait has a deadline, and dropping the stream releases the device whatever state it is in.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use log::warn;
use rustix::event::PollFlags;
use v4l::device::{Device, Handle};
use v4l::format::FourCC;
use v4l::frameinterval::FrameIntervalEnum;
use v4l::framesize::FrameSizeEnum;
use v4l::v4l_sys as sys;
use v4l::v4l2 as calls;
use v4l::v4l2::vidioc;
use v4l::video::Capture;
use v4l::video::capture::Parameters;
use vultus_frames::{Format, Mode};
use vultus_ipc::camera::{CameraRecord, CameraRefusal, Spectrum};
use vultus_ipc::{Deadline, IpcError};

use crate::convert::{ConvertError, Layout, Wire, convert};
use crate::source::{RawFrame, Source, Stream, monotonic_us};

/// Buffers that the driver fills in turn.
const BUFFERS: u32 = 4;
/// So many damaged frames in a row end the stream.
const MOST_DAMAGED: u32 = 10;
/// The size that is looked for: enough for a face at arm's length, and quick to seal.
const WANTED: (u32, u32) = (640, 480);
const LARGEST: (u32, u32) = (1920, 1080);
const LEAST_RATE: f64 = 14.0;
const MOST_RATE: u32 = 30;
/// A frame older than this, in microseconds, is not worth sealing.
const STALE_US: u64 = 250_000;

/// The capture devices of this machine.
pub struct KernelCameras {
    nodes: Vec<PathBuf>,
}

impl KernelCameras {
    /// Offers these nodes, or all that the system has where none is named.
    pub fn new(nodes: Vec<PathBuf>) -> Self {
        Self { nodes }
    }

    fn nodes(&self) -> Vec<PathBuf> {
        if !self.nodes.is_empty() {
            return self.nodes.clone();
        }
        let mut nodes = v4l::context::enum_devices();
        // By number: `video10` comes after `video8`.
        nodes.sort_by_key(|node| node.index());
        nodes.iter().map(|node| node.path().to_owned()).collect()
    }

    /// Every capture device, open, with its record: what is described is what is streamed from. Two
    /// nodes of one identity differ by their place on it.
    fn cameras(&self) -> Vec<(Device, CameraRecord)> {
        let mut seen: HashMap<String, u32> = HashMap::new();
        let mut cameras = Vec::new();
        for node in self.nodes() {
            let Some((device, mut id, label, spectrum)) = describe(&node) else {
                continue;
            };
            let place = seen.entry(id.clone()).or_default();
            if *place > 0 {
                id = format!("{id}#{place}");
            }
            *place += 1;
            cameras.push((device, CameraRecord { id, label, spectrum }));
        }
        cameras
    }
}

impl Source for KernelCameras {
    fn list(&self) -> Vec<CameraRecord> {
        self.cameras().into_iter().map(|(_, record)| record).collect()
    }

    fn open(&self, camera: &str) -> Result<Box<dyn Stream>, CameraRefusal> {
        let (device, record) = self
            .cameras()
            .into_iter()
            .find(|(_, record)| record.id == camera)
            .ok_or(CameraRefusal::NoSuchCamera)?;
        let choice = choose(&device, record.spectrum).ok_or(CameraRefusal::NoFormat)?;
        Ok(Box::new(KernelStream::open(&device, choice)?))
    }
}

/// A capture device that can be read, with its identity, name and spectrum; nothing for any other node.
fn describe(node: &Path) -> Option<(Device, String, String, Spectrum)> {
    let device = Device::with_path(node).ok()?;
    let capability = capability(&device).ok()?;
    let streams = sys::V4L2_CAP_VIDEO_CAPTURE | sys::V4L2_CAP_STREAMING;
    if capability.device_caps & streams != streams {
        return None;
    }
    let formats = device.enum_formats().ok()?;
    let wires: Vec<Wire> = formats.iter().filter_map(|f| wire_of(f.fourcc)).collect();
    let spectrum = match wires.iter().any(|w| *w != Wire::Grey) {
        true => Spectrum::Colour,
        false if wires.is_empty() => return None,
        false => Spectrum::Grey,
    };
    let (id, label) = (identity(node, &text(&capability.bus_info)), text(&capability.card));
    Some((device, id, label, spectrum))
}

/// Where the device sits and what it is, by the kernel's word: the bus path, and for USB the vendor,
/// product and serial number of its descriptor. Never its name.
fn identity(node: &Path, bus: &str) -> String {
    let usb = node.file_name().and_then(|name| {
        let interface =
            fs::canonicalize(Path::new("/sys/class/video4linux").join(name).join("device")).ok()?;
        let device = interface.parent()?;
        let field = |file: &str| fs::read_to_string(device.join(file)).ok().map(|s| s.trim().to_owned());
        let (vendor, product) = (field("idVendor")?, field("idProduct")?);
        let serial = field("serial").unwrap_or_else(|| "-".to_owned());
        // A colour and an infrared camera in one device have an interface each.
        let number = fs::read_to_string(interface.join("bInterfaceNumber")).ok()?;
        Some(format!("usb:{bus}:{vendor}:{product}:{serial}:{}", number.trim()))
    });
    usb.unwrap_or_else(|| format!("bus:{bus}"))
}

fn capability(device: &Device) -> io::Result<sys::v4l2_capability> {
    // SAFETY: all-zero bytes are a valid value of this plain C struct.
    let mut capability: sys::v4l2_capability = unsafe { std::mem::zeroed() };
    request(&device.handle(), vidioc::VIDIOC_QUERYCAP, &mut capability)?;
    Ok(capability)
}

/// The text before the first zero byte, whatever bytes the device put there.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).chars().filter(|c| !c.is_control()).collect()
}

fn wire_of(fourcc: FourCC) -> Option<Wire> {
    match &fourcc.repr {
        b"YUYV" => Some(Wire::Yuyv),
        b"MJPG" => Some(Wire::Mjpg),
        b"RGB3" => Some(Wire::Rgb),
        b"GREY" | b"Y8  " => Some(Wire::Grey),
        _ => None,
    }
}

/// A format and size that a device offers.
#[derive(Clone, Copy)]
struct Choice {
    wire: Wire,
    fourcc: FourCC,
    width: u32,
    height: u32,
    /// Frames a second, where the device says.
    rate: Option<f64>,
}

impl Choice {
    /// Smaller is better: a steady rate first, then nearness to the wanted size, then the formats that
    /// need no decoding.
    fn cost(&self) -> (u8, u64, u8) {
        let slow = u8::from(self.rate.is_some_and(|r| r < LEAST_RATE));
        let wanted = u64::from(WANTED.0) * u64::from(WANTED.1);
        let size = u64::from(self.width) * u64::from(self.height);
        // A smaller picture than wanted loses more than a larger one.
        let off = if size < wanted { (wanted - size) * 4 } else { size - wanted };
        let decoding = match self.wire {
            Wire::Rgb => 0,
            Wire::Yuyv => 1,
            Wire::Mjpg => 2,
            Wire::Grey => 3,
        };
        (slow, off, decoding)
    }
}

/// The best that a device offers. One that is listed as a colour camera is never read in grey.
fn choose(device: &Device, spectrum: Spectrum) -> Option<Choice> {
    let mut offered = Vec::new();
    for format in device.enum_formats().ok()? {
        let wire = wire_of(format.fourcc);
        let Some(wire) = wire.filter(|w| spectrum == Spectrum::Grey || *w != Wire::Grey) else {
            continue;
        };
        for (width, height) in sizes(device, format.fourcc) {
            if width <= LARGEST.0 && height <= LARGEST.1 {
                let rate = rate(device, format.fourcc, width, height);
                offered.push(Choice { wire, fourcc: format.fourcc, width, height, rate });
            }
        }
    }
    offered.into_iter().min_by_key(Choice::cost)
}

fn sizes(device: &Device, fourcc: FourCC) -> Vec<(u32, u32)> {
    let listed = device.enum_framesizes(fourcc).unwrap_or_default();
    let mut sizes: Vec<(u32, u32)> = listed
        .into_iter()
        .map(|size| match size.size {
            FrameSizeEnum::Discrete(d) => (d.width, d.height),
            FrameSizeEnum::Stepwise(s) => (
                WANTED.0.clamp(s.min_width, s.max_width.max(s.min_width)),
                WANTED.1.clamp(s.min_height, s.max_height.max(s.min_height)),
            ),
        })
        .collect();
    if sizes.is_empty() {
        sizes.push(WANTED);
    }
    sizes
}

/// The fastest rate that the device lists for a size.
fn rate(device: &Device, fourcc: FourCC, width: u32, height: u32) -> Option<f64> {
    let intervals = device.enum_frameintervals(fourcc, width, height).ok()?;
    intervals
        .into_iter()
        .map(|i| match i.interval {
            FrameIntervalEnum::Discrete(f) => f,
            FrameIntervalEnum::Stepwise(s) => s.min,
        })
        .filter(|f| f.numerator > 0)
        .map(|f| f64::from(f.denominator) / f64::from(f.numerator))
        .reduce(f64::max)
}

/// One buffer of the driver, mapped into this process.
struct Mapping {
    start: *mut std::ffi::c_void,
    length: usize,
}

/// A device that captures.
struct KernelStream {
    // Unmapped and closed in this order.
    mappings: Vec<Mapping>,
    handle: Arc<Handle>,
    wire: Wire,
    layout: Layout,
    mode: Mode,
    damaged: u32,
}

impl KernelStream {
    /// Sets the format, which lights nothing yet.
    fn open(device: &Device, choice: Choice) -> Result<Self, CameraRefusal> {
        let asked = v4l::Format::new(choice.width, choice.height, choice.fourcc);
        let got = device.set_format(&asked).map_err(|e| refusal(&e))?;
        // A driver may answer with another format than was asked for.
        let wire = wire_of(got.fourcc).ok_or(CameraRefusal::NoFormat)?;
        if let Some(rate) = choice.rate {
            let rate = Parameters::with_fps((rate.round() as u32).clamp(1, MOST_RATE));
            // A driver that keeps its own rate is taken as it is: deadlines say when it is too slow.
            if let Err(e) = device.set_params(&rate) {
                warn!("the frame rate cannot be set: {e}");
            }
        }
        let format = if wire == Wire::Grey { Format::Grey } else { Format::Rgb };
        let mode = Mode { width: got.width, height: got.height, format };
        let mode = mode.checked().map_err(|_| CameraRefusal::NoFormat)?;
        let stride = if wire == Wire::Mjpg { 0 } else { got.stride as usize };
        let layout = Layout { width: mode.width as usize, height: mode.height as usize, stride };
        Ok(Self { mappings: Vec::new(), handle: device.handle(), wire, layout, mode, damaged: 0 })
    }

    fn map_and_start(&mut self) -> io::Result<()> {
        // SAFETY: all-zero bytes are a valid value of this plain C struct.
        let mut wanted: sys::v4l2_requestbuffers = unsafe { std::mem::zeroed() };
        wanted.count = BUFFERS;
        wanted.type_ = sys::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE;
        wanted.memory = sys::v4l2_memory_V4L2_MEMORY_MMAP;
        request(&self.handle, vidioc::VIDIOC_REQBUFS, &mut wanted)?;
        for index in 0..wanted.count {
            let mut buffer = blank_buffer(index);
            request(&self.handle, vidioc::VIDIOC_QUERYBUF, &mut buffer)?;
            self.map(&buffer)?;
            request(&self.handle, vidioc::VIDIOC_QBUF, &mut blank_buffer(index))?;
        }
        if self.mappings.is_empty() {
            return Err(io::Error::other("the driver gave no buffers"));
        }
        let mut kind = sys::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE;
        request(&self.handle, vidioc::VIDIOC_STREAMON, &mut kind)
    }

    fn map(&mut self, buffer: &sys::v4l2_buffer) -> io::Result<()> {
        let length = buffer.length as usize;
        // SAFETY: the driver filled in `offset`, since the buffer's memory kind is MMAP.
        let offset = unsafe { buffer.m.offset };
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours; its
        // length is what the driver says of this buffer, and it is unmapped only in `drop`.
        let start = unsafe {
            calls::mmap(
                std::ptr::null_mut(),
                length,
                (rustix::mm::ProtFlags::READ.bits()) as i32,
                rustix::mm::MapFlags::SHARED.bits() as i32,
                self.handle.fd(),
                offset.into(),
            )?
        };
        self.mappings.push(Mapping { start, length });
        Ok(())
    }

    /// Takes a filled buffer from the driver; nothing where none is filled.
    fn dequeue(&self) -> io::Result<Option<sys::v4l2_buffer>> {
        let mut buffer = blank_buffer(0);
        match request(&self.handle, vidioc::VIDIOC_DQBUF, &mut buffer) {
            Ok(()) => Ok(Some(buffer)),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn give_back(&self, buffer: &sys::v4l2_buffer) -> io::Result<()> {
        request(&self.handle, vidioc::VIDIOC_QBUF, &mut blank_buffer(buffer.index))
    }

    /// The newest filled buffer; older ones go back unread. A device that always has another is asked
    /// no more often than it has buffers.
    fn newest(&self) -> io::Result<Option<sys::v4l2_buffer>> {
        let mut newest = self.dequeue()?;
        for _ in 0..BUFFERS {
            let Some(held) = newest else {
                break;
            };
            let Some(newer) = self.dequeue()? else {
                return Ok(Some(held));
            };
            self.give_back(&held)?;
            newest = Some(newer);
        }
        Ok(newest)
    }

    /// The pixels of a buffer that this process holds.
    fn pixels(&self, buffer: &sys::v4l2_buffer) -> Result<Vec<u8>, ConvertError> {
        let mapping = self.mappings.get(buffer.index as usize).ok_or(ConvertError::Short)?;
        let used = (buffer.bytesused as usize).min(mapping.length);
        // SAFETY: the mapping spans `length` bytes until `drop`, and the driver does not write to a
        // buffer between DQBUF and QBUF. A device that did would only change pixels.
        let bytes = unsafe { std::slice::from_raw_parts(mapping.start.cast::<u8>(), used) };
        if buffer.flags & sys::V4L2_BUF_FLAG_ERROR != 0 {
            return Err(ConvertError::Short);
        }
        convert(self.wire, self.layout, bytes)
    }
}

impl Stream for KernelStream {
    fn mode(&self) -> Mode {
        self.mode
    }

    fn start(&mut self) -> Result<(), CameraRefusal> {
        self.map_and_start().map_err(|e| refusal(&e))
    }

    fn next(&mut self, deadline: Deadline) -> Result<Option<RawFrame>, CameraRefusal> {
        // SAFETY: the handle keeps its descriptor open for as long as it lives, which is longer than
        // this borrow.
        let descriptor = unsafe { BorrowedFd::borrow_raw(self.handle.fd()) };
        match deadline.wait(descriptor, PollFlags::IN) {
            Ok(()) => {}
            Err(IpcError::Timeout) => return Ok(None),
            Err(_) => return Err(CameraRefusal::Gone),
        }
        let Some(buffer) = self.newest().map_err(|e| refusal(&e))? else {
            return Ok(None);
        };
        let captured_us = captured_us(&buffer);
        // A driver whose buffers were full while the vault was busy has only old frames at first.
        if monotonic_us().saturating_sub(captured_us) > STALE_US {
            self.give_back(&buffer).map_err(|e| refusal(&e))?;
            return Ok(None);
        }
        let pixels = self.pixels(&buffer);
        self.give_back(&buffer).map_err(|e| refusal(&e))?;
        match pixels {
            Ok(pixels) => {
                self.damaged = 0;
                Ok(Some(RawFrame { pixels, sequence: buffer.sequence, captured_us }))
            }
            Err(e) => {
                self.damaged += 1;
                if self.damaged < MOST_DAMAGED {
                    return Ok(None);
                }
                warn!("{MOST_DAMAGED} damaged frames in a row: {e}");
                Err(CameraRefusal::Gone)
            }
        }
    }
}

impl Drop for KernelStream {
    fn drop(&mut self) {
        let mut kind = sys::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE;
        // A device that is gone cannot be stopped, and needs not be: closing it releases it.
        let _ = request(&self.handle, vidioc::VIDIOC_STREAMOFF, &mut kind);
        for mapping in self.mappings.drain(..) {
            // SAFETY: mapped in `map` with this length, and no slice of it outlives a method call.
            let _ = unsafe { calls::munmap(mapping.start, mapping.length) };
        }
    }
}

/// When the driver says it captured the frame; now, where it counts by another clock.
fn captured_us(buffer: &sys::v4l2_buffer) -> u64 {
    let monotonic =
        buffer.flags & sys::V4L2_BUF_FLAG_TIMESTAMP_MASK == sys::V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    let now = monotonic_us();
    let (seconds, micros) = (buffer.timestamp.tv_sec, buffer.timestamp.tv_usec);
    match (u64::try_from(seconds), u64::try_from(micros)) {
        (Ok(s), Ok(us)) if monotonic => s.saturating_mul(1_000_000).saturating_add(us).min(now),
        _ => now,
    }
}

fn blank_buffer(index: u32) -> sys::v4l2_buffer {
    // SAFETY: all-zero bytes are a valid value of this plain C struct.
    let mut buffer: sys::v4l2_buffer = unsafe { std::mem::zeroed() };
    buffer.index = index;
    buffer.type_ = sys::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE;
    buffer.memory = sys::v4l2_memory_V4L2_MEMORY_MMAP;
    buffer
}

/// One V4L2 call, repeated where a signal interrupts it.
fn request<T>(handle: &Handle, code: vidioc::_IOC_TYPE, argument: &mut T) -> io::Result<()> {
    loop {
        // SAFETY: every caller passes the struct that belongs to the code, so the kernel reads and
        // writes within `argument`; the descriptor is open for as long as the handle lives.
        let result = unsafe { calls::ioctl(handle.fd(), code, std::ptr::from_mut(argument).cast()) };
        match result {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn refusal(error: &io::Error) -> CameraRefusal {
    match error.kind() {
        io::ErrorKind::ResourceBusy => CameraRefusal::Busy,
        io::ErrorKind::NotFound => CameraRefusal::NoSuchCamera,
        _ => {
            warn!("device: {error}");
            CameraRefusal::Gone
        }
    }
}
