/*
 * A camera without a camera: one V4L2 capture device, emulated inside the process that opens it.
 *
 * This is a test double at the edge of hardware, and for tests only. Preloaded into the real
 * vultus-camera (LD_PRELOAD), it stands in for the kernel's half of one device node, and for nothing
 * else; without PRELOAD_CAMERA in the environment it passes every call on.
 *
 * What the caller gets as its device is one end of a socket pair. The caller waits for frames with a
 * raw ppoll system call, which no preloaded library sees, so the kernel itself must know when a frame is
 * there. A socket can say all that a video node says: a byte waits in it for each filled buffer
 * (POLLIN), none where none is filled (poll waits), and when the other end is closed with bytes unread
 * the kernel reports POLLERR | POLLHUP, as it does for a camera that was pulled out. No hook on poll is
 * needed. A socket cannot be mapped, so mmap on it is answered from a memfd that holds the buffers.
 *
 * The hooked calls are open*, close, mmap*, ioctl and syscall; the last because the Rust v4l crate makes
 * its ioctls through syscall(SYS_ioctl, ...). The double is as strict as the kernel about who owns a
 * buffer: giving one back twice, or taking one that is not filled, is an error.
 *
 * PRELOAD_CAMERA names a text file with one `key value` on each line; paths hold no spaces:
 *
 *   node /dev/video42         the path that is taken over
 *   format YUYV               YUYV, MJPG, RGB3 or GREY; repeated, in the order of the device's list
 *   size 640x480              repeated likewise; each format has every size
 *   rate 30                   frames a second
 *   bus usb-0000:00:14.0-3    the bus path
 *   card Some Name            the name the device gives itself
 *   pictures FILE             raw frames of the format in use, one after the other, played in a loop;
 *                             for MJPG each is a length (4 bytes, little-endian) and a JPEG picture
 *   pictures2 FILE            what `fault resize-after` changes to
 *   journal FILE              gets a line for each `opened`, `on` (STREAMON), `off` (STREAMOFF), `closed`
 *   fault stall-after N       after N frames no more come
 *   fault gone-after N        ... the device is gone: every call says ENODEV, and the node is missing
 *   fault short-after N       ... each frame is half as long as it should be
 *   fault error-flag-after N  ... the driver marks each frame as damaged
 *   fault resize-after N      ... pictures come from pictures2
 *   fault flood               no rate: a buffer is filled in the moment in which it is queued
 *   fault busy                VIDIOC_S_FMT says EBUSY
 *   fault bad-name            the name is not UTF-8, and holds control characters
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The function that a hook stands before. */
#define REAL(name) ({ static __typeof__(&name) next; if (!next) next = dlsym(RTLD_NEXT, #name); next; })
#define LENGTH(array) (sizeof(array) / sizeof *(array))

enum { MOST_BUFFERS = 8, NEVER = INT32_MAX };
enum { BUFFER_FLAGS = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC | V4L2_BUF_FLAG_MAPPED };
enum owner { CALLER, QUEUED, FILLED };

/* A file of pictures and where the next one starts. */
struct reel {
    const uint8_t *bytes;
    size_t length, at;
};

/* What the configuration file says. */
static char node[256], journal[4096], bus[32], card[32];
static uint32_t formats[8];
static struct v4l2_frmsize_discrete sizes[8];
static unsigned format_count, size_count, rate = 30;
static struct reel pictures, pictures2;
static int stall_after = NEVER, gone_after = NEVER, short_after = NEVER;
static int damaged_after = NEVER, resize_after = NEVER;
static bool endless, busy, bad_name;

/* One open of the node. */
struct handle {
    bool open;
    int fd, inner; /* the end that the caller holds, and the other */
    uint32_t format, width, height;
    int memory; /* the memfd of the buffers, and where it is mapped */
    uint8_t *map;
    size_t room; /* bytes of each buffer */
    unsigned count;
    struct v4l2_buffer buffers[MOST_BUFFERS];
    enum owner owner[MOST_BUFFERS];
    uint64_t turn[MOST_BUFFERS], turns; /* which buffer came to its owner first */
    int exposed;                        /* frames of this stream so far, lost ones too */
    bool streaming, driven;
    pthread_t driver;
};

/* Guards the handles, the reels and `gone`. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct handle handles[32];
static bool gone;

/* A wrong set-up must not look like a wrong product. */
static void give_up(const char *what, const char *which) {
    fprintf(stderr, "preloaded camera: %s: %s\n", what, which);
    abort();
}

/* --- configuration --- */

static struct reel load(const char *path) {
    struct stat about;
    int fd = REAL(open)(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &about) != 0)
        give_up("pictures cannot be opened", path);
    void *bytes = REAL(mmap)(NULL, about.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        give_up("pictures cannot be mapped", path);
    REAL(close)(fd);
    return (struct reel){ .bytes = bytes, .length = about.st_size };
}

/* Takes one line in. A key that begins like another stands before it: sscanf minds no missing space. */
static bool understand(const char *line) {
    char path[4096];
    uint8_t name[5];
    if (format_count < LENGTH(formats) && sscanf(line, "format %4s", (char *)name) == 1) {
        formats[format_count++] = v4l2_fourcc(name[0], name[1], name[2], name[3]);
        return true;
    }
    if (size_count < LENGTH(sizes) && strncmp(line, "size ", 5) == 0) {
        struct v4l2_frmsize_discrete *size = &sizes[size_count++];
        return sscanf(line, "size %ux%u", &size->width, &size->height) == 2;
    }
    if (sscanf(line, "pictures2 %4095s", path) == 1)
        return (pictures2 = load(path)).bytes;
    if (sscanf(line, "pictures %4095s", path) == 1)
        return (pictures = load(path)).bytes;
    return sscanf(line, "node %255s", node) == 1 || sscanf(line, "journal %4095s", journal) == 1
        || sscanf(line, "bus %31s", bus) == 1 || sscanf(line, "card %31[^\n]", card) == 1
        || sscanf(line, "rate %u", &rate) == 1
        || sscanf(line, "fault stall-after %d", &stall_after) == 1
        || sscanf(line, "fault gone-after %d", &gone_after) == 1
        || sscanf(line, "fault short-after %d", &short_after) == 1
        || sscanf(line, "fault resize-after %d", &resize_after) == 1
        || sscanf(line, "fault error-flag-after %d", &damaged_after) == 1
        || (strcmp(line, "fault flood\n") == 0 && (endless = true))
        || (strcmp(line, "fault busy\n") == 0 && (busy = true))
        || (strcmp(line, "fault bad-name\n") == 0 && (bad_name = true));
}

__attribute__((constructor)) static void configure(void) {
    char line[4200];
    const char *path = getenv("PRELOAD_CAMERA");
    if (!path)
        return;
    FILE *file = fopen(path, "re");
    if (!file)
        give_up("no configuration", path);
    while (fgets(line, sizeof line, file))
        if (!understand(line))
            give_up("this line of the configuration", line);
    fclose(file);
    if (format_count == 0 || size_count == 0 || rate == 0)
        give_up("a device needs a format, a size and a rate", path);
}

/* --- the device --- */

/* The test reads these lines while this process runs: each is written whole, and at once. */
static void note(const char *line) {
    ssize_t length = strlen(line);
    if (!journal[0])
        return;
    int fd = REAL(open)(journal, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, line, length) != length)
        give_up("the journal cannot be written", journal);
    REAL(close)(fd);
}

static struct handle *find(int fd) {
    for (size_t i = 0; i < LENGTH(handles); i++)
        if (handles[i].open && handles[i].fd == fd)
            return &handles[i];
    return NULL;
}

static int attach(void) {
    int pair[2], fd = -1;
    pthread_mutex_lock(&lock);
    errno = gone ? ENOENT : EMFILE;
    for (size_t i = 0; i < LENGTH(handles) && fd < 0 && !gone; i++) {
        if (handles[i].open || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
            continue;
        fd = pair[0];
        handles[i] = (struct handle){
            .open = true, .fd = fd, .inner = pair[1], .memory = -1,
            .format = formats[0], .width = sizes[0].width, .height = sizes[0].height,
        };
        note("opened\n");
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

/* The bytes of a whole raw frame; for JPEG pictures, the room that drivers commonly set aside. */
static size_t frame_bytes(const struct handle *h) {
    size_t each = h->format == V4L2_PIX_FMT_GREY ? 1 : h->format == V4L2_PIX_FMT_RGB24 ? 3 : 2;
    return each * h->width * h->height;
}

/* Copies the next picture of a reel to a buffer, and tells its length. */
static uint32_t play(const struct handle *h, struct reel *reel, uint8_t *target) {
    uint32_t length = frame_bytes(h);
    bool prefixed = h->format == V4L2_PIX_FMT_MJPEG;
    if (reel->at >= reel->length)
        reel->at = 0;
    if (prefixed && reel->length - reel->at >= sizeof length) {
        memcpy(&length, reel->bytes + reel->at, sizeof length);
        reel->at += sizeof length;
    }
    if (reel->length - reel->at < length || h->room < length)
        give_up("pictures do not fit the format", node);
    memcpy(target, reel->bytes + reel->at, length);
    reel->at += length;
    return length;
}

/* The buffer that has been its owner's for longest; -1 where it has none. */
static int oldest(const struct handle *h, enum owner owner) {
    int found = -1;
    for (unsigned i = 0; i < h->count; i++)
        if (h->owner[i] == owner && (found < 0 || h->turn[i] < h->turn[found]))
            found = i;
    return found;
}

static void hand_over(struct handle *h, unsigned index, enum owner owner) {
    h->owner[index] = owner;
    h->turn[index] = h->turns++;
}

/* The device is pulled out. Bytes that the other end has not read when it closes turn into POLLERR. */
static void unplug(void) {
    gone = true;
    for (struct handle *h = handles; h < handles + LENGTH(handles); h++) {
        if (!h->open)
            continue;
        h->streaming = false;
        if (send(h->fd, "", 1, MSG_NOSIGNAL) != 1)
            give_up("cannot be pulled out", node);
        REAL(close)(h->inner);
        h->inner = -1;
    }
    pthread_cond_broadcast(&changed);
}

/* One picture of the sensor. One that finds no empty buffer is lost, but counted. */
static void expose(struct handle *h) {
    int number = h->exposed++, index = oldest(h, QUEUED);
    if (number >= gone_after)
        unplug();
    if (number >= gone_after || number >= stall_after || index < 0)
        return;
    struct v4l2_buffer *buffer = &h->buffers[index];
    buffer->bytesused = play(h, number < resize_after ? &pictures : &pictures2, h->map + index * h->room);
    if (number >= short_after)
        buffer->bytesused /= 2;
    buffer->flags = BUFFER_FLAGS | (number >= damaged_after ? V4L2_BUF_FLAG_ERROR : 0);
    buffer->sequence = number;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    buffer->timestamp = (struct timeval){ now.tv_sec, now.tv_nsec / 1000 };
    hand_over(h, index, FILLED);
    if (send(h->inner, "", 1, MSG_NOSIGNAL) != 1)
        give_up("a filled buffer cannot be announced", node);
}

/* The sensor's clock: a thread for each stream, since frames come whether or not the caller looks. */
static void *drive(void *argument) {
    struct handle *h = argument;
    struct timespec due;
    clock_gettime(CLOCK_MONOTONIC, &due);
    pthread_mutex_lock(&lock);
    while (h->streaming) {
        due.tv_nsec += 1000000000L / rate;
        due.tv_sec += due.tv_nsec / 1000000000L;
        due.tv_nsec %= 1000000000L;
        while (h->streaming && pthread_cond_clockwait(&changed, &lock, CLOCK_MONOTONIC, &due) == 0)
            ;
        if (h->streaming)
            expose(h);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

/* Without a rate, no buffer stays empty. */
static void flood(struct handle *h) {
    while (endless && h->streaming && oldest(h, QUEUED) >= 0)
        expose(h);
}

/* Ends a stream: every buffer is the caller's again. The lock is let go while the driver ends. */
static void stop(struct handle *h) {
    char bytes[MOST_BUFFERS];
    h->streaming = false;
    if (h->driven) {
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
        pthread_join(h->driver, NULL);
        pthread_mutex_lock(&lock);
    }
    h->driven = false;
    memset(h->owner, CALLER, sizeof h->owner);
    while (recv(h->fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
}

/* --- what the kernel answers: 0 or an error number --- */

static int query_capability(struct v4l2_capability *caps) {
    *caps = (struct v4l2_capability){ .driver = "preload" };
    const char *name = bad_name ? "\xff\xfe\x80\n\x1b[2J\xc3( camera" : card;
    memcpy(caps->card, name, strlen(name));
    memcpy(caps->bus_info, bus, sizeof bus);
    caps->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
    caps->capabilities = caps->device_caps | V4L2_CAP_DEVICE_CAPS;
    return 0;
}

static int enumerate_formats(struct v4l2_fmtdesc *entry) {
    if (entry->index >= format_count)
        return EINVAL;
    entry->pixelformat = formats[entry->index];
    return 0;
}

static int enumerate_sizes(struct v4l2_frmsizeenum *entry) {
    if (entry->index >= size_count)
        return EINVAL;
    entry->type = V4L2_FRMSIZE_TYPE_DISCRETE;
    entry->discrete = sizes[entry->index];
    return 0;
}

static int enumerate_intervals(struct v4l2_frmivalenum *entry) {
    if (entry->index > 0)
        return EINVAL;
    entry->type = V4L2_FRMIVAL_TYPE_DISCRETE;
    entry->discrete = (struct v4l2_fract){ 1, rate };
    return 0;
}

static int get_format(const struct handle *h, struct v4l2_format *format) {
    format->fmt.pix = (struct v4l2_pix_format){
        .width = h->width, .height = h->height, .pixelformat = h->format, .field = V4L2_FIELD_NONE,
        .bytesperline = h->format == V4L2_PIX_FMT_MJPEG ? 0 : frame_bytes(h) / h->height,
        .sizeimage = frame_bytes(h), .colorspace = V4L2_COLORSPACE_SRGB,
    };
    return 0;
}

/* Asked for what it does not offer, a driver keeps something that it does, and says so. */
static int set_format(struct handle *h, struct v4l2_format *format) {
    const struct v4l2_pix_format *asked = &format->fmt.pix;
    bool taken = busy;
    for (size_t i = 0; i < LENGTH(handles); i++)
        taken |= handles[i].open && handles[i].count > 0;
    if (taken)
        return EBUSY;
    for (unsigned i = 0; i < format_count; i++)
        if (formats[i] == asked->pixelformat)
            h->format = formats[i];
    for (unsigned i = 0; i < size_count; i++)
        if (sizes[i].width == asked->width && sizes[i].height == asked->height)
            h->width = asked->width, h->height = asked->height;
    return get_format(h, format);
}

static int request_buffers(struct handle *h, struct v4l2_requestbuffers *wanted) {
    if (wanted->memory != V4L2_MEMORY_MMAP || wanted->count == 0)
        return EINVAL;
    if (h->count > 0)
        return EBUSY;
    if (wanted->count > MOST_BUFFERS)
        wanted->count = MOST_BUFFERS;
    size_t page = sysconf(_SC_PAGESIZE);
    h->room = (frame_bytes(h) + page - 1) / page * page;
    h->memory = memfd_create("preloaded camera", MFD_CLOEXEC);
    if (h->memory < 0 || ftruncate(h->memory, h->room * wanted->count) != 0)
        give_up("no memory for buffers", node);
    h->map = REAL(mmap)(NULL, h->room * wanted->count, PROT_READ | PROT_WRITE, MAP_SHARED, h->memory, 0);
    if (h->map == MAP_FAILED)
        give_up("no room for buffers", node);
    h->count = wanted->count;
    for (unsigned i = 0; i < h->count; i++)
        h->buffers[i] = (struct v4l2_buffer){
            .index = i, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP,
            .flags = BUFFER_FLAGS, .field = V4L2_FIELD_NONE, .length = h->room, .m.offset = i * h->room,
        };
    return 0;
}

static int query_buffer(const struct handle *h, struct v4l2_buffer *buffer) {
    if (buffer->index >= h->count)
        return EINVAL;
    *buffer = h->buffers[buffer->index];
    return 0;
}

static int queue(struct handle *h, const struct v4l2_buffer *buffer) {
    if (buffer->index >= h->count || h->owner[buffer->index] != CALLER)
        return EINVAL;
    hand_over(h, buffer->index, QUEUED);
    flood(h);
    return 0;
}

/* Never waits: the product opens the device with O_NONBLOCK. */
static int dequeue(struct handle *h, struct v4l2_buffer *buffer) {
    char byte;
    int index = oldest(h, FILLED);
    if (!h->streaming)
        return EINVAL;
    if (index < 0)
        return EAGAIN;
    if (recv(h->fd, &byte, 1, MSG_DONTWAIT) != 1)
        give_up("a filled buffer was not announced", node);
    hand_over(h, index, CALLER);
    *buffer = h->buffers[index];
    return 0;
}

static int start(struct handle *h) {
    if (h->count == 0 || h->streaming)
        return EINVAL;
    h->streaming = true;
    h->exposed = 0;
    pictures.at = pictures2.at = 0;
    note("on\n");
    flood(h);
    h->driven = !endless && pthread_create(&h->driver, NULL, drive, h) == 0;
    return 0;
}

static int end(struct handle *h) {
    if (h->streaming)
        note("off\n");
    stop(h);
    return 0;
}

static int answer(struct handle *h, unsigned request, void *argument) {
    if (gone)
        return ENODEV;
    switch (request) {
    case VIDIOC_QUERYCAP: return query_capability(argument);
    case VIDIOC_ENUM_FMT: return enumerate_formats(argument);
    case VIDIOC_ENUM_FRAMESIZES: return enumerate_sizes(argument);
    case VIDIOC_ENUM_FRAMEINTERVALS: return enumerate_intervals(argument);
    case VIDIOC_G_FMT: return get_format(h, argument);
    case VIDIOC_S_FMT: return set_format(h, argument);
    case VIDIOC_REQBUFS: return request_buffers(h, argument);
    case VIDIOC_QUERYBUF: return query_buffer(h, argument);
    case VIDIOC_QBUF: return queue(h, argument);
    case VIDIOC_DQBUF: return dequeue(h, argument);
    case VIDIOC_STREAMON: return start(h);
    case VIDIOC_STREAMOFF: return end(h);
    default: return ENOTTY;
    }
}

/* --- the hooks --- */

int ioctl(int fd, unsigned long request, ...) {
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    pthread_mutex_lock(&lock);
    struct handle *h = find(fd);
    int error = h ? answer(h, (unsigned)request, argument) : 0;
    pthread_mutex_unlock(&lock);
    if (!h)
        return REAL(ioctl)(fd, request, argument);
    errno = error ? error : errno;
    return error ? -1 : 0;
}

long syscall(long number, ...) {
    long a[6];
    va_list arguments;
    va_start(arguments, number);
    /* As in libc: all six are read, whatever the call takes, and the kernel looks at those it knows. */
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(arguments, long);
    va_end(arguments);
    if (number == SYS_ioctl)
        return ioctl((int)a[0], (unsigned long)a[1], (void *)a[2]);
    return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
    pthread_mutex_lock(&lock);
    struct handle *h = fd >= 0 ? find(fd) : NULL;
    int memory = h ? h->memory : fd;
    /* As in the kernel, the offset names a buffer and the length is no more than its own. */
    bool fits = !h || (h->count > 0 && offset % h->room == 0 && offset / h->room < h->count
                       && length <= h->room);
    pthread_mutex_unlock(&lock);
    if (fits)
        return REAL(mmap)(address, length, protection, flags, memory, offset);
    errno = EINVAL;
    return MAP_FAILED;
}

void *mmap64(void *, size_t, int, int, int, off64_t) __attribute__((alias("mmap")));

int close(int fd) {
    pthread_mutex_lock(&lock);
    struct handle *h = find(fd);
    if (h) {
        stop(h);
        if (h->count > 0)
            munmap(h->map, h->room * h->count);
        const int ends[] = { h->memory, h->inner, h->fd };
        for (size_t i = 0; i < LENGTH(ends); i++)
            if (ends[i] >= 0)
                REAL(close)(ends[i]);
        /* Still under the lock, so that a new descriptor with this number is not taken for the device. */
        h->open = false;
        note("closed\n");
    }
    pthread_mutex_unlock(&lock);
    return h ? 0 : REAL(close)(fd);
}

/* Four ways to open, alike but for what stands before the path. A mode comes only where a file is made. */
#define OPEN(name, parameters, ...)                                                    \
    int name parameters {                                                              \
        va_list arguments;                                                             \
        va_start(arguments, flags);                                                    \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(arguments, mode_t) : 0; \
        va_end(arguments);                                                             \
        bool ours = node[0] && strcmp(path, node) == 0;                                \
        return ours ? attach() : REAL(name)(__VA_ARGS__, mode);                        \
    }
OPEN(open, (const char *path, int flags, ...), path, flags)
OPEN(open64, (const char *path, int flags, ...), path, flags)
OPEN(openat, (int folder, const char *path, int flags, ...), folder, path, flags)
OPEN(openat64, (int folder, const char *path, int flags, ...), folder, path, flags)
