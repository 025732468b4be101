/* Loaded before a process: writes down, in order, what it writes to files below DISK_ROOT and what it flushes.

   A record: op (1 byte), length of the path (u32), offset (u64), length of the data (u64), path, data; little endian.
   W write, T truncate to offset, S flush (fsync, fdatasync; of a folder too), U unlink, R rename (data is the new path).
   A write is noted before it is done and a flush after it: nothing counts as durable too early. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;
static const char *root;
static size_t root_length;

__attribute__((constructor)) static void begin(void) {
  const char *file = getenv("DISK_LOG");
  root = getenv("DISK_ROOT");
  if (file == NULL || root == NULL) return;
  root_length = strlen(root);
  log_fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int is_ours(const char *path) { return log_fd >= 0 && strncmp(path, root, root_length) == 0; }

static int path_of(int fd, char *path) {
  char link[64];
  if (log_fd < 0 || fd == log_fd) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return is_ours(path);
}

static void put(const void *data, size_t length) {
  const char *at = data;
  while (length > 0) {
    ssize_t done = syscall(SYS_write, log_fd, at, length);
    if (done <= 0) abort();
    at += done;
    length -= (size_t)done;
  }
}

static void note(char op, const char *path, uint64_t offset, const void *data, uint64_t length) {
  uint32_t path_length = (uint32_t)strlen(path);
  pthread_mutex_lock(&lock);
  put(&op, 1);
  put(&path_length, 4);
  put(&offset, 8);
  put(&length, 8);
  put(path, path_length);
  if (length > 0) put(data, length);
  pthread_mutex_unlock(&lock);
}

ssize_t write(int fd, const void *data, size_t length) {
  char path[PATH_MAX];
  if (path_of(fd, path)) {
    int flags = fcntl(fd, F_GETFL);
    off_t at = lseek(fd, 0, flags & O_APPEND ? SEEK_END : SEEK_CUR);
    if (at >= 0) note('W', path, (uint64_t)at, data, length);
  }
  return syscall(SYS_write, fd, data, length);
}

static ssize_t write_at(int fd, const void *data, size_t length, off_t at) {
  char path[PATH_MAX];
  if (path_of(fd, path)) note('W', path, (uint64_t)at, data, length);
  return syscall(SYS_pwrite64, fd, data, length, at);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t at) { return write_at(fd, data, length, at); }
ssize_t pwrite64(int fd, const void *data, size_t length, off_t at) { return write_at(fd, data, length, at); }

static int cut_to(int fd, off_t length) {
  char path[PATH_MAX];
  if (path_of(fd, path)) note('T', path, (uint64_t)length, "", 0);
  return (int)syscall(SYS_ftruncate, fd, length);
}

int ftruncate(int fd, off_t length) { return cut_to(fd, length); }
int ftruncate64(int fd, off_t length) { return cut_to(fd, length); }

static int flush(int fd, long number) {
  char path[PATH_MAX];
  int done = (int)syscall(number, fd);
  if (done == 0 && path_of(fd, path)) note('S', path, 0, "", 0);
  return done;
}

int fsync(int fd) { return flush(fd, SYS_fsync); }
int fdatasync(int fd) { return flush(fd, SYS_fdatasync); }

int unlink(const char *path) {
  if (is_ours(path)) note('U', path, 0, "", 0);
  return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int rename(const char *from, const char *to) {
  if (is_ours(from)) note('R', from, 0, to, strlen(to));
  return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}
