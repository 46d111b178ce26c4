/*
 * Stands between a program and libc (LD_PRELOAD) and makes the disk and the clock unreliable:
 *
 * - Every change under SHIM_DIRECTORY that no fsync covers yet is noted in a journal, with what it
 *   replaced. When the processes are dead, whoever drives the faults takes those changes back
 *   (lost-writes.ts): a power cut for one node.
 * - Syncs and writes there can be delayed, or fail.
 * - CLOCK_REALTIME can be shifted, and both clocks can run at another rate.
 *
 * It is told what to do through a mapped file, SHIM_CONTROL, which can change at any moment; the
 * layout is that of `control.ts`. Only paths given as absolute are seen, which is how the agent
 * names its files, and everything under SHIM_EXCEPT is left alone.
 *
 * Limits. A sync that was made to fail leaves its writes unsynced, to be covered by the next one
 * that succeeds; the real kernel forgets them (the simulator's disk does that). Directories count as
 * durable at once; the names in them do not.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* The same order as in control.ts. */
struct control {
  int64_t sync_delay_ms;
  int64_t write_delay_ms;
  int64_t write_errno;
  int64_t sync_errno;
  int64_t clock_offset_ns;
  int64_t clock_ppm;
  int64_t clock_since_ns; /* of CLOCK_MONOTONIC, when the rate began */
  int64_t monotonic_ppm;
  int64_t journal;
  int64_t journal_overflowed;
};

/* Files of the agent that are open at once are far fewer. */
#define FDS_MAX 4096
/* Names replaced or removed, whose directory was not synced yet. */
#define GRAVES_MAX 4096
/* A journal of this size means that nobody takes changes back or clears it. */
#define JOURNAL_BYTES_MAX (1LL << 30)
/* What one change may replace: the agent overwrites some kilobytes at most. */
#define REPLACED_BYTES_MAX (64LL << 20)

enum { OP_WRITE = 1, OP_TRUNCATE, OP_CREATE, OP_RENAME, OP_UNLINK, OP_SYNCED, OP_NAMES_SYNCED };

/* One record of the journal: this, then two paths, then the bytes that were replaced. */
struct record {
  uint32_t magic;
  uint32_t op;
  uint64_t inode;
  int64_t position; /* or, of a sync, the journal up to where changes are covered */
  int64_t size;     /* of the file before */
  uint32_t first_bytes;
  uint32_t second_bytes;
  uint64_t replaced_bytes;
};
#define MAGIC 0x4a4e524cu

static struct control *control;
static char directory[PATH_MAX], except[PATH_MAX], graves[PATH_MAX];
static int journal_fd = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct tracked {
  int is_tracked;
  uint64_t device, inode;
  char *directory_path; /* of a directory that was opened, to be synced */
};
static struct tracked tracked[FDS_MAX];

struct grave {
  int64_t at;
  char *directory_path;
};
static struct grave grave_list[GRAVES_MAX];
static int grave_count;

typedef int (*clock_call)(clockid_t, struct timespec *);
static clock_call libc_clock;

static const char *setting(const char *name) {
  const char *value = getenv(name);
  return value == NULL ? "" : value;
}

__attribute__((constructor)) static void begin(void) {
  libc_clock = (clock_call)dlsym(RTLD_NEXT, "clock_gettime");
  snprintf(directory, sizeof directory, "%s", setting("SHIM_DIRECTORY"));
  snprintf(except, sizeof except, "%s", setting("SHIM_EXCEPT"));
  snprintf(graves, sizeof graves, "%s", setting("SHIM_GRAVES"));
  int fd = syscall(SYS_openat, AT_FDCWD, setting("SHIM_CONTROL"), O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void *map = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  syscall(SYS_close, fd);
  if (map != MAP_FAILED) control = map;
  journal_fd =
      syscall(SYS_openat, AT_FDCWD, setting("SHIM_JOURNAL"), O_RDWR | O_APPEND | O_CLOEXEC);
}

/* ---- which files ---- */

static int is_below(const char *path, const char *parent) {
  size_t length = strlen(parent);
  return length > 0 && strncmp(path, parent, length) == 0 && (path[length] == '/' || !path[length]);
}

static int concerns(const char *path) {
  return control != NULL && path != NULL && is_below(path, directory) && !is_below(path, except);
}

static char *parent_of(const char *path) {
  char *copy = strdup(path);
  char *slash = copy == NULL ? NULL : strrchr(copy, '/');
  if (slash != NULL) *slash = '\0';
  return copy;
}

static void track(int fd, const char *path) {
  struct stat found;
  if (fd < 0 || fd >= FDS_MAX || fstat(fd, &found) != 0) return;
  tracked[fd].device = found.st_dev;
  tracked[fd].inode = found.st_ino;
  tracked[fd].directory_path = S_ISDIR(found.st_mode) ? strdup(path) : NULL;
  tracked[fd].is_tracked = 1;
}

static void untrack(int fd) {
  if (fd < 0 || fd >= FDS_MAX || !tracked[fd].is_tracked) return;
  tracked[fd].is_tracked = 0;
  free(tracked[fd].directory_path);
  tracked[fd].directory_path = NULL;
}

/* Not everybody closes through libc, and then the number may be of a socket by now. */
static struct tracked *of(int fd) {
  struct stat found;
  if (fd < 0 || fd >= FDS_MAX || !tracked[fd].is_tracked) return NULL;
  struct tracked *file = &tracked[fd];
  if (fstat(fd, &found) == 0 && found.st_ino == file->inode && found.st_dev == file->device)
    return file;
  untrack(fd);
  return NULL;
}

/* ---- the journal; all of it under the lock ---- */

static int is_journaling(void) {
  return control != NULL && journal_fd >= 0 && control->journal && !control->journal_overflowed;
}

static int64_t journal_end(void) {
  return lseek(journal_fd, 0, SEEK_END);
}

static void append(struct record record, const char *first, const char *second, const void *bytes) {
  if (journal_end() + (int64_t)record.replaced_bytes > JOURNAL_BYTES_MAX) {
    control->journal_overflowed = 1;
    return;
  }
  record.magic = MAGIC;
  record.first_bytes = strlen(first);
  record.second_bytes = strlen(second);
  struct iovec pieces[] = {
      {&record, sizeof record},
      {(void *)first, record.first_bytes},
      {(void *)second, record.second_bytes},
      {(void *)bytes, record.replaced_bytes},
  };
  ssize_t wanted = sizeof record + record.first_bytes + record.second_bytes + record.replaced_bytes;
  if (syscall(SYS_writev, journal_fd, pieces, 4) != wanted) control->journal_overflowed = 1;
}

/* Notes what the bytes [position, position + count) of an open file are, and how long it is. */
static void note_bytes(int op, int fd, int64_t position, int64_t count) {
  struct stat found;
  if (fstat(fd, &found) != 0) return;
  int64_t end = position + count < found.st_size ? position + count : found.st_size;
  int64_t replaced = end > position ? end - position : 0;
  if (replaced > REPLACED_BYTES_MAX) {
    control->journal_overflowed = 1;
    return;
  }
  char *bytes = malloc(replaced + 1);
  /* The program may have opened the file for writing only. */
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  int reading = replaced > 0 ? syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
  int64_t have = 0;
  while (bytes != NULL && reading >= 0 && have < replaced) {
    ssize_t got = syscall(SYS_pread64, reading, bytes + have, replaced - have, position + have);
    if (got <= 0) break;
    have += got;
  }
  if (reading >= 0) syscall(SYS_close, reading);
  struct record record = {0};
  record.op = op;
  record.inode = found.st_ino;
  record.position = position;
  record.size = found.st_size;
  record.replaced_bytes = have;
  append(record, "", "", bytes == NULL ? "" : bytes);
  free(bytes);
}

/* Keeps a second name of a file that is about to lose one, until its directory is synced. */
static void bury(const char *path, int64_t at) {
  char grave[PATH_MAX];
  if (snprintf(grave, sizeof grave, "%s/%lld", graves, (long long)at) >= (int)sizeof grave) return;
  if (syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, grave, 0) != 0) return;
  if (grave_count == GRAVES_MAX) return; /* it stays until the journal is cleared */
  grave_list[grave_count].at = at;
  grave_list[grave_count].directory_path = parent_of(path);
  grave_count += 1;
}

static void empty_graves(const char *directory_path, int64_t up_to) {
  int kept = 0;
  for (int i = 0; i < grave_count; i++) {
    struct grave *grave = &grave_list[i];
    if (grave->at < up_to && strcmp(grave->directory_path, directory_path) == 0) {
      char path[PATH_MAX];
      if (snprintf(path, sizeof path, "%s/%lld", graves, (long long)grave->at) < (int)sizeof path)
        syscall(SYS_unlinkat, AT_FDCWD, path, 0);
      free(grave->directory_path);
    } else {
      grave_list[kept++] = *grave;
    }
  }
  grave_count = kept;
}

/* ---- delays and failures ---- */

static int64_t ns_of(struct timespec time) {
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static struct timespec timespec_of(int64_t ns) {
  struct timespec time = {ns / 1000000000, ns % 1000000000};
  return time;
}

static int clock_now(clockid_t clock, struct timespec *time) {
  /* Before `begin`, an allocator at its start, say: the kernel itself. */
  if (libc_clock == NULL) return syscall(SYS_clock_gettime, clock, time);
  return libc_clock(clock, time);
}

static int64_t now_ns(void) {
  struct timespec now = {0, 0};
  clock_now(CLOCK_MONOTONIC, &now);
  return ns_of(now);
}

/* The delay can be taken back while it lasts. */
static void wait_for(const volatile int64_t *delay_ms) {
  int64_t begun_ns = now_ns();
  struct timespec slice = {0, 2000000};
  while (now_ns() - begun_ns < *delay_ms * 1000000) {
    int64_t left_ns = *delay_ms * 1000000 - (now_ns() - begun_ns);
    struct timespec pause = left_ns < slice.tv_nsec ? timespec_of(left_ns) : slice;
    if (left_ns > 0) syscall(SYS_nanosleep, &pause, NULL);
  }
}

/* True when the write must fail; errno says why. */
static int fails_to_write(void) {
  wait_for(&control->write_delay_ms);
  if (control->write_errno == 0) return 0;
  errno = (int)control->write_errno;
  return 1;
}

/* ---- calls on open files ---- */

static size_t bytes_in(const struct iovec *pieces, int count) {
  size_t sum = 0;
  for (int i = 0; i < count; i++) sum += pieces[i].iov_len;
  return sum;
}

/* Surrounds a write of `count` bytes at `position` (-1: where the file stands). */
#define WRITING(fd, position, count, call)                                            \
  do {                                                                                \
    if (of(fd) == NULL) return call;                                                  \
    if (fails_to_write()) return -1;                                                  \
    pthread_mutex_lock(&lock);                                                        \
    if (is_journaling()) {                                                            \
      int64_t from = (position) < 0 ? lseek(fd, 0, SEEK_CUR) : (int64_t)(position);   \
      note_bytes(OP_WRITE, fd, from, count);                                          \
    }                                                                                 \
    ssize_t written = call;                                                           \
    int kept = errno;                                                                 \
    pthread_mutex_unlock(&lock);                                                      \
    errno = kept;                                                                     \
    return written;                                                                   \
  } while (0)

ssize_t write(int fd, const void *bytes, size_t count) {
  WRITING(fd, -1, count, syscall(SYS_write, fd, bytes, count));
}

ssize_t writev(int fd, const struct iovec *pieces, int count) {
  WRITING(fd, -1, bytes_in(pieces, count), syscall(SYS_writev, fd, pieces, count));
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t position) {
  WRITING(fd, position, count, syscall(SYS_pwrite64, fd, bytes, count, position));
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t position) {
  return pwrite64(fd, bytes, count, position);
}

ssize_t pwritev64(int fd, const struct iovec *pieces, int count, off64_t position) {
  WRITING(fd, position, bytes_in(pieces, count),
          syscall(SYS_pwritev, fd, pieces, count, (long)position, 0L));
}

ssize_t pwritev(int fd, const struct iovec *pieces, int count, off_t position) {
  return pwritev64(fd, pieces, count, position);
}

int ftruncate64(int fd, off64_t length) {
  if (of(fd) == NULL) return syscall(SYS_ftruncate, fd, length);
  if (fails_to_write()) return -1;
  pthread_mutex_lock(&lock);
  if (is_journaling()) note_bytes(OP_TRUNCATE, fd, length, REPLACED_BYTES_MAX);
  int result = syscall(SYS_ftruncate, fd, length);
  int kept = errno;
  pthread_mutex_unlock(&lock);
  errno = kept;
  return result;
}

int ftruncate(int fd, off_t length) {
  return ftruncate64(fd, length);
}

/* A sync covers what was done when it was asked for, not what came while it was under way. */
static int sync_with(int fd, long call) {
  struct tracked *file = of(fd);
  if (file == NULL) return syscall(call, fd);
  pthread_mutex_lock(&lock);
  int64_t covered = is_journaling() ? journal_end() : 0;
  pthread_mutex_unlock(&lock);
  wait_for(&control->sync_delay_ms);
  if (control->sync_errno != 0) {
    errno = (int)control->sync_errno;
    return -1;
  }
  int result = syscall(call, fd);
  int kept = errno;
  pthread_mutex_lock(&lock);
  if (result == 0 && is_journaling()) {
    const char *names = file->directory_path;
    struct record record = {0};
    record.op = names == NULL ? OP_SYNCED : OP_NAMES_SYNCED;
    record.inode = file->inode;
    record.position = covered;
    append(record, names == NULL ? "" : names, "", "");
    if (names != NULL) empty_graves(names, covered);
  }
  pthread_mutex_unlock(&lock);
  errno = kept;
  return result;
}

int fdatasync(int fd) {
  return sync_with(fd, SYS_fdatasync);
}

int fsync(int fd) {
  return sync_with(fd, SYS_fsync);
}

int close(int fd) {
  untrack(fd);
  return syscall(SYS_close, fd);
}

/* ---- calls on names ---- */

static int open_tracked(const char *path, int flags, mode_t mode) {
  struct stat found;
  int is_new = (flags & O_CREAT) != 0 && stat(path, &found) != 0;
  if (is_new && fails_to_write()) return -1;
  pthread_mutex_lock(&lock);
  if (is_journaling() && is_new) {
    struct record record = {0};
    record.op = OP_CREATE;
    append(record, path, "", "");
  } else if (is_journaling() && (flags & O_TRUNC) != 0) {
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) note_bytes(OP_TRUNCATE, fd, 0, REPLACED_BYTES_MAX);
    if (fd >= 0) syscall(SYS_close, fd);
  }
  int fd = syscall(SYS_openat, AT_FDCWD, path, flags, mode);
  int kept = errno;
  if (fd >= 0) track(fd, path);
  pthread_mutex_unlock(&lock);
  errno = kept;
  return fd;
}

static int open_any(int at, const char *path, int flags, va_list more) {
  mode_t mode = (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0;
  if (concerns(path)) return open_tracked(path, flags, mode);
  int fd = syscall(SYS_openat, at, path, flags, mode);
  /* Somebody closed it without telling us, and the number came back. */
  if (fd >= 0) untrack(fd);
  return fd;
}

#define OPENING(at, path, flags)                 \
  do {                                           \
    va_list more;                                \
    va_start(more, flags);                       \
    int fd = open_any(at, path, flags, more);    \
    va_end(more);                                \
    return fd;                                   \
  } while (0)

int open(const char *path, int flags, ...) {
  OPENING(AT_FDCWD, path, flags);
}

int open64(const char *path, int flags, ...) {
  OPENING(AT_FDCWD, path, flags);
}

int openat(int at, const char *path, int flags, ...) {
  OPENING(at, path, flags);
}

int openat64(int at, const char *path, int flags, ...) {
  OPENING(at, path, flags);
}

int rename(const char *from, const char *to) {
  if (!concerns(from) || !concerns(to)) return syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
  pthread_mutex_lock(&lock);
  struct stat found;
  if (is_journaling() && stat(from, &found) == 0) {
    struct stat replaced;
    struct record record = {0};
    record.op = OP_RENAME;
    record.inode = found.st_ino;
    record.position = journal_end();
    if (stat(to, &replaced) == 0) {
      record.size = 1; /* something of that name is replaced, and buried */
      bury(to, record.position);
    }
    append(record, from, to, "");
  }
  int result = syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
  int kept = errno;
  pthread_mutex_unlock(&lock);
  errno = kept;
  return result;
}

int unlink(const char *path) {
  if (!concerns(path)) return syscall(SYS_unlinkat, AT_FDCWD, path, 0);
  pthread_mutex_lock(&lock);
  struct stat found;
  if (is_journaling() && stat(path, &found) == 0) {
    struct record record = {0};
    record.op = OP_UNLINK;
    record.inode = found.st_ino;
    record.position = journal_end();
    bury(path, record.position);
    append(record, path, "", "");
  }
  int result = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
  int kept = errno;
  pthread_mutex_unlock(&lock);
  errno = kept;
  return result;
}

/* ---- clocks ---- */

/* `at_ns` is of CLOCK_MONOTONIC. In steps of a microsecond: up to 1000 ppm no clock goes back. */
static int64_t drift_ns(int64_t at_ns, int64_t ppm) {
  return ppm == 0 ? 0 : (at_ns - control->clock_since_ns) / 1000 * ppm / 1000;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  int result = clock_now(clock, time);
  if (result != 0 || control == NULL) return result;
  int64_t ns = ns_of(*time);
  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) {
    struct timespec now = {0, 0};
    if (control->clock_ppm != 0) clock_now(CLOCK_MONOTONIC, &now);
    *time = timespec_of(ns + control->clock_offset_ns + drift_ns(ns_of(now), control->clock_ppm));
  } else if (clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_COARSE) {
    *time = timespec_of(ns + drift_ns(ns, control->monotonic_ppm));
  }
  return 0;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
  (void)zone;
  struct timespec now;
  if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *target) {
  struct timespec now;
  if (clock_gettime(CLOCK_REALTIME, &now) != 0) return (time_t)-1;
  if (target != NULL) *target = now.tv_sec;
  return now.tv_sec;
}
