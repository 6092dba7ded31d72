/*
 * Tries operations one after the other, each in a process of its own that may take a few seconds, and prints a line of
 * JSON for each: {"number":3,"answer":"EPERM","said":""}. The answer is "done", the name of an error or of a signal,
 * "exit N", or "too slow".
 *
 * What is tried comes from dangerous.ts and everyday.ts by way of program.ts, which puts it in the place of list.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/perf_event.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/quota.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

/* Zeros, for calls that want to be given something. */
static char zeros[4096] __attribute__((aligned(64)));
static const char *self_path;

static long fail(int error) {
  errno = error;
  return -1;
}

/* A process of another user's, which lives as long as this one. */
static pid_t other(void) {
  int ready[2];
  if (pipe(ready) != 0) abort();
  pid_t parent = getpid(), child = fork();
  if (child == 0) {
    if (setresgid(1234, 1234, 1234) != 0 || setresuid(1234, 1234, 1234) != 0) _exit(1);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || write(ready[1], "x", 1) != 1) _exit(1);
    for (;;) pause();
  }
  close(ready[1]);
  char byte;
  if (read(ready[0], &byte, 1) != 1) abort();
  return child;
}

/* The file of a process below /proc. */
static const char *of(pid_t pid, const char *name) {
  static char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
  return path;
}

/* Opens for writing, and writes nothing. */
static long open_to_write(const char *path) { return open(path, O_WRONLY); }

/* Reads a byte; ENODATA where a file or a directory is empty. */
static long read_something(const char *path) {
  char buffer[4096];
  int file = open(path, O_RDONLY);
  if (file < 0) return -1;
  long size = read(file, buffer, 1);
  if (size < 0 && errno == EISDIR) {
    size = 0;
    for (long got; (got = syscall(SYS_getdents64, file, buffer, sizeof buffer)) > 0;)
      for (long at = 0; at < got; at += *(unsigned short *)(buffer + at + 16)) {
        const char *name = buffer + at + 19;
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) size++;
      }
  }
  return size < 0 ? -1 : size == 0 ? fail(ENODATA) : 0;
}

/* The first of the files that list a cgroup's processes, wherever which version is mounted. */
static long open_cgroup(void) {
  const char *paths[] = {"cgroup.procs", "pids/cgroup.procs", "memory/cgroup.procs", "unified/cgroup.procs"};
  char path[64];
  for (unsigned i = 0; i < sizeof paths / sizeof *paths; i++) {
    snprintf(path, sizeof path, "/sys/fs/cgroup/%s", paths[i]);
    if (access(path, F_OK) == 0) return open_to_write(path);
  }
  return fail(ENOENT);
}

/* A network request by the number of an ioctl, about lo. */
static long interface(unsigned long request) {
  struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP};
  return ioctl(socket(AF_INET, SOCK_DGRAM, 0), request, &ifr);
}

/* Types a character into a terminal of this process's own. */
static long type_into_terminal(unsigned long request) {
  int master = posix_openpt(O_RDWR | O_NOCTTY);
  if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) abort();
  int slave = open(ptsname(master), O_RDWR);
  if (slave < 0) abort();
  return syscall(SYS_ioctl, slave, request, "x");
}

/* Gives itself a capability that it may have lost. */
static long take_capability(int number) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2];
  if (syscall(SYS_capget, &header, data) != 0) abort();
  data[number / 32].permitted |= 1u << number % 32;
  data[number / 32].effective |= 1u << number % 32;
  return syscall(SYS_capset, &header, data);
}

/* Runs a set-id program of root's as another user; EPERM where that gives nothing. */
static long run_set_id(void) {
  char command[256];
  snprintf(command, sizeof command, "cp %s /tmp/set-id && chmod 4755 /tmp/set-id", self_path);
  if (system(command) != 0) abort();
  pid_t child = fork();
  if (child == 0) {
    if (setresgid(1234, 1234, 1234) != 0 || setresuid(1234, 1234, 1234) != 0) _exit(2);
    execl("/tmp/set-id", "set-id", "who", NULL);
    _exit(3);
  }
  int status;
  waitpid(child, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) > 1) abort();
  return WEXITSTATUS(status) == 0 ? 0 : fail(EPERM);
}

/* clone, without anything of libc's around it. */
static long raw_clone(unsigned long flags) {
  long pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) _exit(0);
  return pid;
}

static long raw_clone3(unsigned long long flags) {
  unsigned long long arguments[8] = {flags, 0, 0, 0, SIGCHLD};
  long pid = syscall(SYS_clone3, arguments, sizeof arguments);
  if (pid == 0) _exit(0);
  return pid;
}

/* mount(2) by the gate and the number of 32-bit programs, where there is one. */
static long mount_as_32_bit(void) {
#ifdef __x86_64__
  /* Static, and so below 4 GiB. */
  static const char target[] = "/mnt", type[] = "tmpfs";
  long result;
  __asm__ volatile("int $0x80" : "=a"(result)
                   : "a"(21), "b"((unsigned)(long)type), "c"((unsigned)(long)target), "d"((unsigned)(long)type), "S"(0),
                     "D"(0)
                   : "memory", "r8", "r9", "r10", "r11");
  return (int)result < 0 ? fail(-(int)result) : result;
#else
  return mount("tmpfs", "/mnt", "tmpfs", 0, NULL);
#endif
}

/* A handle of a file, made up. */
static long open_by_handle(void) {
  struct { struct file_handle handle; char bytes[8]; } made = {.handle = {.handle_bytes = 8, .handle_type = 1}};
  return open_by_handle_at(open("/", O_RDONLY), &made.handle, O_RDONLY);
}

#include "list.h"

/* A text as JSON has it. */
static void print_string(const char *text) {
  putchar('"');
  for (; *text != 0; text++) {
    unsigned char c = *text;
    if (c == '"' || c == '\\') printf("\\%c", c);
    else if (c < 32 || c > 126) printf("\\u%04x", c);
    else putchar(c);
  }
  putchar('"');
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

/* What a child does that tries an operation, and never comes back. */
static void try_it(int number, const struct operation *operation, int report) {
  setsid();
  if (operation->call != NULL) {
    errno = 0;
    int answer = operation->call() < 0 ? errno : 0;
    if (write(report, &answer, sizeof answer) != sizeof answer) abort();
    _exit(0);
  }
  char directory[64];
  snprintf(directory, sizeof directory, "/tmp/everyday-%d", number);
  if (mkdir(directory, 0777) != 0 || chmod(directory, 0777) != 0 || chdir(directory) != 0) abort();
  dup2(report, 1);
  dup2(report, 2);
  close(report);
  execl("/bin/bash", "bash", "-euo", "pipefail", "-c", operation->script, NULL);
  _exit(127);
}

static void attempt(int number, const struct operation *operation, double limit) {
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) abort();
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) try_it(number, operation, report[1]);
  close(report[1]);
  fcntl(report[0], F_SETFL, O_NONBLOCK);
  /* The last of what it writes; an operation that is a call writes its answer. */
  char said[2048];
  size_t length = 0;
  int status = 0, ended = 0, slow = 0;
  for (double end = now() + limit; !ended;) {
    ended = waitpid(child, &status, WNOHANG) == child;
    char bytes[1024];
    for (ssize_t size; (size = read(report[0], bytes, sizeof bytes)) > 0;) {
      if (length + size >= sizeof said) {
        size_t keep = sizeof said / 4;
        memmove(said, said + length - keep, keep);
        length = keep;
      }
      memcpy(said + length, bytes, size);
      length += size;
    }
    if (ended) break;
    if (now() > end) {
      slow = 1;
      kill(child, SIGKILL);
    }
    usleep(2000);
  }
  /* What it has started and not ended. */
  kill(-child, SIGKILL);
  while (waitpid(-1, NULL, WNOHANG) > 0);
  close(report[0]);
  said[length] = 0;
  char answer[32] = "done";
  int error;
  if (slow) strcpy(answer, "too slow");
  else if (WIFSIGNALED(status)) snprintf(answer, sizeof answer, "SIG%s", sigabbrev_np(WTERMSIG(status)));
  else if (operation->call != NULL && length == sizeof error) {
    memcpy(&error, said, sizeof error);
    if (error != 0) snprintf(answer, sizeof answer, "%s", strerrorname_np(error) ?: "unknown error");
  } else if (operation->call != NULL || WEXITSTATUS(status) != 0)
    snprintf(answer, sizeof answer, "exit %d", WEXITSTATUS(status));
  printf("{\"number\":%d,\"answer\":\"%s\",\"said\":", number, answer);
  print_string(operation->call != NULL ? "" : said);
  puts("}");
}

int main(int count, char **arguments) {
  /* As the set-id program that it makes of itself: whether that makes it root. */
  if (count == 2 && strcmp(arguments[1], "who") == 0) return geteuid() == 0 ? 0 : 1;
  if (count != 3) return 2;
  self_path = arguments[0];
  umask(022);
  const struct operation *list = strcmp(arguments[1], "dangerous") == 0 ? dangerous : everyday;
  for (int number = 0; list[number].call != NULL || list[number].script != NULL; number++)
    attempt(number, &list[number], atof(arguments[2]));
  return 0;
}
