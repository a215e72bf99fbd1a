/* relaycat: write what a relay file holds to standard output, sub-buffer by sub-buffer.
 *
 *     cc -std=c11 -O2 -o relaycat relaycat.c
 *     relaycat PATH [--timeout MS]
 *
 * A complete reader of relaylab's files after PROTOCOL.md. Each sub-buffer is written without its
 * padding, then consumed. It ends when the channel is closed, its owner is gone, or nothing came for
 * MS milliseconds, and tells in one line on standard error how much that was. Exit status: 0; 1 for
 * a failure, 2 for wrong usage. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define MAGIC 0xF0B4A981u
enum { PROTOCOL = 1, LAYOUT = 2 };
enum { DATA, CONTROL, LETTERBOX, WAKE, BELL, DESCRIPTORS };  /* in the order they come */
enum { MAP = 1, UNMAP = 2, CONSUME_THROUGH = 2, WATCH = 8 }; /* requests; asks of a letter */
/* Byte offsets in the control block, and in the letterbox: the one page that a reader writes to. */
enum { CONTROL_FINALIZED = 80, CONTROL_PRODUCED = 128, CONTROL_EPOCH = 136, CONTROL_OPENED = 176,
       CONTROL_CONSUMED = 192, CONTROL_EDGE = 256, CONTROL_PADDING = 384 };
enum { LETTERBOX_POSTS = 0, LETTERBOX_ASKS = 8, LETTERBOX_FIRST = 16, LETTERBOX_SECOND = 24,
       LETTERBOX_ANSWERED = 64, LETTERBOX_WAITING = 72, LETTERBOX_SIZE = 4096 };

struct welcome {
    uint32_t magic, version;
    int32_t error;
    uint32_t abi;
    uint64_t subbuf_size, n_subbufs, alloc_size, overwrite, cpu, n_cpus, data_offset;
    uint64_t control_offset, control_size, first_control, pid, reserved;
};
struct message { /* a request (error is 0) and its reply */
    uint32_t kind;
    int32_t error;
    uint64_t length;
};
_Static_assert(sizeof(struct welcome) == 112 && sizeof(struct message) == 16, "no holes");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "a lock would not be shared between processes");

struct file {
    int socket, descriptors[DESCRIPTORS];
    struct welcome is;
    unsigned char *data, *control, *letterbox;
};
struct state { int64_t finalized, epoch, produced, consumed, opened; }; /* of one moment */

static _Noreturn void fail(const char *path, const char *what, int number)
{
    fprintf(stderr, "relaycat: %s: %s: %s\n", path, what, strerror(number));
    exit(1);
}

/* Shared memory: all loads are acquires, so they are done in the order they are written in. */
static int64_t load(unsigned char *at, int offset)
{
    return atomic_load_explicit((_Atomic int64_t *)(void *)(at + offset), memory_order_acquire);
}

static void store(unsigned char *at, int offset, int64_t value)
{
    atomic_store_explicit((_Atomic int64_t *)(void *)(at + offset), value, memory_order_release);
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct ucred owner;
    socklen_t size = sizeof owner;
    struct stat found;
    /* Hold the very file that is looked at, and reach it by this descriptor: then no symlink is
     * followed, and a path longer than a socket's address works too. */
    int inode = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (inode < 0 || fstat(inode, &found) < 0)
        fail(path, "cannot be opened", errno);
    if (!S_ISSOCK(found.st_mode))
        fail(path, "is no relay file", ENODEV);
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d", inode);
    int peer = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (peer < 0 || connect(peer, (struct sockaddr *)&address, sizeof address) < 0)
        fail(path, errno == ECONNREFUSED ? "its owner is gone" : "cannot be opened", errno);
    close(inode);
    if (getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &owner, &size) < 0 ||
        (owner.uid != geteuid() && owner.uid != 0))
        fail(path, "another user listens there", EACCES);
    return peer;
}

static void receive_welcome(const char *path, struct file *f)
{
    _Alignas(struct cmsghdr) char room[CMSG_SPACE(DESCRIPTORS * sizeof(int))];
    struct iovec part = {&f->is, sizeof f->is};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1,
                             .msg_control = room, .msg_controllen = sizeof room};
    struct pollfd readable = {.fd = f->socket, .events = POLLIN};
    if (poll(&readable, 1, 10000) == 0) /* its Python may be busy, but not for that long */
        fail(path, "its owner does not answer", ETIMEDOUT);
    ssize_t got = recvmsg(f->socket, &message, MSG_CMSG_CLOEXEC);
    if (got <= 0)
        fail(path, "its owner hung up", got < 0 ? errno : ENOENT);
    if (got != sizeof f->is || (message.msg_flags & MSG_TRUNC) || f->is.magic != MAGIC ||
        f->is.version != PROTOCOL || f->is.abi != LAYOUT)
        fail(path, "its owner speaks another protocol", EPROTO);
    if (f->is.error)
        fail(path, "its owner refuses", f->is.error);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
        header->cmsg_len != CMSG_LEN(DESCRIPTORS * sizeof(int)))
        fail(path, "its descriptors did not arrive", EMFILE);
    memcpy(f->descriptors, CMSG_DATA(header), sizeof f->descriptors);
}

/* Tell the owner on the connection; the errno of its reply. One that is gone refuses nothing. */
static int tell(struct file *f, uint32_t kind, uint64_t length)
{
    struct message request = {kind, 0, length}, reply = {0};
    if (send(f->socket, &request, sizeof request, MSG_NOSIGNAL) < 0 ||
        recv(f->socket, &reply, sizeof reply, 0) <= 0)
        return 0;
    return reply.error;
}

static void *map(const char *path, size_t size, int protection, int descriptor, uint64_t offset)
{
    void *memory = mmap(NULL, size, protection, MAP_SHARED, descriptor, (off_t)offset);
    if (memory == MAP_FAILED)
        fail(path, "cannot be mapped", errno);
    close(descriptor); /* the mapping does not need it */
    return memory;
}

static void open_file(const char *path, struct file *f)
{
    f->socket = connect_to(path);
    receive_welcome(path, f);
    const int *got = f->descriptors;
    f->control = map(path, f->is.control_size, PROT_READ, got[CONTROL], f->is.control_offset);
    f->letterbox = map(path, LETTERBOX_SIZE, PROT_READ | PROT_WRITE, got[LETTERBOX], 0);
    f->data = map(path, f->is.alloc_size, PROT_READ, got[DATA], f->is.data_offset);
    int error = tell(f, MAP, f->is.alloc_size);
    if (error)
        fail(path, "its owner refuses the mapping", error);
}

static bool owner_is_gone(const struct file *f)
{
    char one;
    ssize_t got = recv(f->socket, &one, 1, MSG_PEEK | MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

/* The edge is odd while somebody changes these fields, and another number afterwards. */
static struct state look(const struct file *f)
{
    for (int tries = 1;; tries++) {
        int64_t edge = load(f->control, CONTROL_EDGE);
        struct state seen;
        seen.finalized = load(f->control, CONTROL_FINALIZED); /* first: then `produced` is final */
        seen.epoch = load(f->control, CONTROL_EPOCH);
        seen.produced = load(f->control, CONTROL_PRODUCED);
        seen.consumed = load(f->control, CONTROL_CONSUMED);
        seen.opened = load(f->control, CONTROL_OPENED);
        if (!(edge & 1) && load(f->control, CONTROL_EDGE) == edge)
            return seen;
        if (tries % 100 == 0) {
            if (owner_is_gone(f)) /* it died within a change: this is how it stays */
                return seen;
            poll(NULL, 0, 1);
        }
    }
}

/* Wait until the last letter is answered; false if the owner is gone. */
static bool await_answer(struct file *f)
{
    int64_t posts = load(f->letterbox, LETTERBOX_POSTS), answered;
    for (int glances = 0; glances < 200; glances++)
        if (load(f->letterbox, LETTERBOX_ANSWERED) == posts)
            return true;
    store(f->letterbox, LETTERBOX_WAITING, 1);
    while ((answered = load(f->letterbox, LETTERBOX_ANSWERED)) != posts) {
        if (owner_is_gone(f))
            return load(f->letterbox, LETTERBOX_ANSWERED) == posts;
        syscall(SYS_futex, f->letterbox + LETTERBOX_ANSWERED, FUTEX_WAIT, (uint32_t)answered,
                &(struct timespec){0, 50000000}, NULL, 0); /* ns: then look after the owner */
    }
    store(f->letterbox, LETTERBOX_WAITING, 0);
    return true;
}

/* Post a letter. The one before must be answered: until then the owner may be reading it. */
static bool post(struct file *f, int64_t asks, int64_t first, int64_t second)
{
    if (!await_answer(f))
        return false;
    store(f->letterbox, LETTERBOX_ASKS, asks);
    store(f->letterbox, LETTERBOX_FIRST, first);
    store(f->letterbox, LETTERBOX_SECOND, second);
    store(f->letterbox, LETTERBOX_POSTS, load(f->letterbox, LETTERBOX_POSTS) + 1); /* the last */
    return write(f->descriptors[BELL], &(uint64_t){1}, 8) == 8;
}

/* Sleep until something else than `produced` is produced in this epoch; false if time is over. */
static bool wait_for_more(struct file *f, int64_t produced, int64_t epoch, int timeout)
{
    struct pollfd either[] = {{f->descriptors[WAKE], POLLIN, 0}, {f->socket, POLLRDHUP, 0}};
    /* Drain, then ask: what happened in between makes the owner raise it again at once. */
    if (read(f->descriptors[WAKE], &(uint64_t){0}, 8) < 0 && errno != EAGAIN)
        return false;
    if (!post(f, WATCH, produced, epoch) || !await_answer(f))
        return true; /* the owner is gone: look once more */
    return poll(either, 2, timeout) != 0;
}

/* Copy a sub-buffer; its length without padding, or -1 if it was overwritten or reset meanwhile. */
static int64_t copy(const struct file *f, int64_t sequence, int64_t epoch, unsigned char *to)
{
    int64_t n = (int64_t)f->is.n_subbufs, size = (int64_t)f->is.subbuf_size, index = sequence % n;
    uint32_t padding;
    memcpy(&padding, f->control + CONTROL_PADDING + 4 * index, sizeof padding);
    int64_t used = padding < size ? size - padding : 0;
    memcpy(to, f->data + index * size, (size_t)used);
    atomic_thread_fence(memory_order_acquire); /* first the copy, then the look at `opened` */
    bool whole = load(f->control, CONTROL_OPENED) < sequence + n &&
                 load(f->control, CONTROL_EPOCH) == epoch;
    return whole ? used : -1;
}

static void cat(struct file *f, const char *path, int timeout)
{
    int64_t epoch = -1, next = 0, subbufs = 0, bytes = 0, skipped = 0, used;
    const char *why = NULL; /* nothing can follow what the next look shows, for this reason */
    unsigned char *whole = malloc(f->is.subbuf_size);
    if (!whole)
        fail(path, "no memory for a sub-buffer", errno);
    for (;;) {
        struct state now = look(f);
        if (now.epoch != epoch || next < now.consumed) /* new or reset; or consumed by another */
            next = now.consumed;
        epoch = now.epoch;
        int64_t oldest = now.opened + 1 - (int64_t)f->is.n_subbufs; /* that may still be whole */
        oldest = oldest < now.produced ? oldest : now.produced;
        skipped += next < oldest ? oldest - next : 0;
        next = next < oldest ? oldest : next;
        if (next < now.produced) {
            if ((used = copy(f, next, epoch, whole)) < 0)
                continue;
            if (fwrite(whole, 1, (size_t)used, stdout) != (size_t)used || fflush(stdout) != 0)
                fail(path, "its bytes cannot be written", errno);
            subbufs += 1;
            bytes += used;
            post(f, CONSUME_THROUGH, next, epoch); /* by number: right whoever else consumes */
            next += 1;
        } else if (why || now.finalized) {
            break;
        } else if (owner_is_gone(f)) {
            why = "its owner is gone";
        } else if (!wait_for_more(f, next, epoch, timeout)) {
            why = "nothing more came";
        }
    }
    fprintf(stderr, "relaycat: %s: %lld sub-buffers, %lld bytes, %lld skipped: %s\n", path,
            (long long)subbufs, (long long)bytes, (long long)skipped,
            why ? why : "the channel is closed");
    free(whole);
}

int main(int argc, char **argv)
{
    char *end = "";
    long timeout = -1; /* for ever */
    if (argc == 4 && strcmp(argv[2], "--timeout") == 0)
        timeout = strtol(argv[3], &end, 10);
    if ((argc != 2 && (argc != 4 || timeout < 0 || timeout > INT_MAX)) || *end) {
        fprintf(stderr, "usage: relaycat PATH [--timeout MS]\n");
        return 2;
    }
    struct file f;
    open_file(argv[1], &f);
    cat(&f, argv[1], (int)timeout);
    munmap(f.data, f.is.alloc_size);
    tell(&f, UNMAP, 0);
    close(f.socket); /* the release; the owner first does what the last letter asks for */
    return 0;
}
