/**
 * Everyday operations that need nothing but the system: files, users, processes, ways to talk.
 *
 * @module
 */

/** An operation, and how it is done. */
export interface Everyday {
  readonly name: string;
  readonly script: string;
}

/** One line for each. */
export const lines = (...text: readonly string[]): string => text.join("\n");

/** Files. */
export const FILES: readonly Everyday[] = [
  {
    name: "tar with owners",
    script: lines(
      "mkdir a; echo x >a/f; chown 1234:2345 a/f; chmod 640 a/f; ln -s f a/l; tar -czf t.tgz a; rm -r a",
      'tar -xzf t.tgz; [ "$(stat -c %u:%g:%a a/f)" = 1234:2345:640 ]; [ -L a/l ]',
    ),
  },
  {
    name: "chown, chmod, set-id bits",
    script: 'touch f; chown 1000:1000 f; chmod 6755 f; [ "$(stat -c %u:%a f)" = 1000:6755 ]',
  },
  { name: "write to another user's file", script: 'touch f; chown 1000 f; chmod 600 f; echo x >f; [ "$(cat f)" = x ]' },
  {
    name: "rsync -a",
    script: "mkdir a; echo x >a/f; chown 1000 a/f; rsync -a a/ b/; diff -r a b; [ $(stat -c %u b/f) = 1000 ]",
  },
  { name: "access control lists", script: "touch f; setfacl -m u:1000:rw f; getfacl f | grep user:1000:rw" },
  {
    name: "user attributes of files",
    script:
      'python3 -c \'import os; open("f", "w"); os.setxattr("f", "user.a", b"x"); assert os.getxattr("f", "user.a") == b"x"\'',
  },
  {
    name: "capabilities of files",
    script: "cp /bin/true t; setcap cap_net_bind_service+ep t; getcap t | grep cap_net_bind_service; ./t",
  },
  { name: "named pipes", script: 'mkfifo p; (echo through >p) & [ "$(cat p)" = through ]; wait' },
  {
    name: "links, hard and symbolic",
    script: "echo x >f; ln f h; ln -s f s; [ $(stat -c %h f) = 2 ]; [ $(cat s) = x ]",
  },
  { name: "locks on files", script: "flock -x l sh -c '! flock -n -x l true'" },
  {
    name: "inotifywait",
    script:
      "(for i in $(seq 90); do sleep 0.1; : >new$i; done) & inotifywait -qe create --format %f -t 9 . | grep new; kill $!",
  },
  {
    name: "sparse files, copies, fallocate",
    script: "truncate -s 1G s; fallocate -l 1M f; cp --sparse=always s t; cp --reflink=auto f g; cmp f g",
  },
  {
    name: "dd, sync, fsync",
    script: "dd if=/dev/zero of=f bs=64k count=16 conv=fsync 2>/dev/null; sync f; [ $(stat -c %s f) = 1048576 ]",
  },
  { name: "gzip, xz, zstd", script: "seq 10000 >f; for z in gzip xz zstd; do $z -c f | $z -dc | cmp f -; done" },
  {
    name: "find, chroot",
    script: "find / -xdev -name passwd -path '/etc/*' | grep -x /etc/passwd; chroot / /bin/true",
  },
  {
    name: "the devices",
    script:
      "head -c 9 /dev/urandom >/dev/null; head -c 9 /dev/zero | cmp - <(printf '\\0\\0\\0\\0\\0\\0\\0\\0\\0'); ! echo x 2>/dev/null >/dev/full; ls /dev/fd /dev/pts /dev/shm",
  },
];

/** Users and processes. */
export const PROCESSES: readonly Everyday[] = [
  {
    name: "useradd, usermod, chpasswd, userdel",
    script: lines(
      "groupadd team; useradd -m -s /bin/bash ann; usermod -aG team ann; echo ann:secret | chpasswd",
      "id ann | grep team; [ $(stat -c %U /home/ann) = ann ]; userdel -r ann 2>/dev/null; ! id ann 2>/dev/null",
    ),
  },
  { name: "su to a user", script: '[ "$(su -s /bin/sh www-data -c "id -un")" = www-data ]' },
  { name: "su - with a login shell", script: '[ "$(su - postgres -c "echo \\$HOME")" = /var/lib/postgresql ]' },
  {
    name: "runuser, setpriv, start-stop-daemon",
    script: lines(
      "runuser -u nobody -- id -un | grep -x nobody; setpriv --reuid=1 --regid=1 --clear-groups id -u | grep -x 1",
      "start-stop-daemon --start --chuid nobody --exec /usr/bin/id -- -un | grep -x nobody",
    ),
  },
  { name: "sudo by root to a user", script: "sudo -u www-data id -un | grep -x www-data" },
  {
    name: "signals and traps",
    script: "bash -c 'trap \"echo got; exit 0\" TERM; kill -TERM $$; sleep 5' | grep -x got",
  },
  {
    name: "kill another user's process",
    script: "setpriv --reuid=1000 --clear-groups --regid=1000 sleep 60 & sleep 0.1; kill -9 $!; ! wait $!",
  },
  {
    name: "jobs in the background, nohup, setsid",
    script: "nohup sh -c 'echo bg >o' >/dev/null 2>&1 & wait $!; setsid -w sh -c 'echo s >>o'; [ $(wc -l <o) = 2 ]",
  },
  {
    name: "a terminal of its own (script)",
    script: "script -qec 'tty; stty size' /dev/null </dev/null | grep /dev/pts/",
  },
  {
    name: "ps, top, free, df, uptime",
    script: "ps aux | grep -q ps; top -bn1 >/dev/null; free -m | grep Mem; df / >/dev/null; uptime >/dev/null",
  },
  {
    name: "nice, ionice, taskset, ulimit",
    script:
      "[ $(nice -n 5 nice) -gt $(nice) ]; ionice -c 3 true; taskset -c 0 true; (ulimit -n 100; ulimit -n | grep -x 100)",
  },
  {
    name: "timeout, timers",
    script:
      "! timeout 0.2 sleep 5; python3 -c 'import signal as s; s.pthread_sigmask(s.SIG_BLOCK, [s.SIGALRM]); s.setitimer(s.ITIMER_REAL, 0.05); s.sigwait([s.SIGALRM])'",
  },
  {
    name: "shared memory",
    script: lines(
      "python3 - <<'END'",
      "from multiprocessing import shared_memory as m",
      "a = m.SharedMemory(create=True, size=2**20); a.buf[5] = 7; b = m.SharedMemory(a.name); assert b.buf[5] == 7",
      "b.close(); a.close(); a.unlink()",
      "END",
    ),
  },
  { name: "System V ipc", script: "ipcmk -M 4096; ipcmk -S 2; ipcmk -Q; ipcs -a | grep 4096; ipcrm --all" },
  {
    name: "POSIX message queues",
    script: lines(
      "cat >q.c <<'END'",
      "#include <fcntl.h>",
      "#include <mqueue.h>",
      "int main(void) {",
      "  struct mq_attr a = {.mq_maxmsg = 4, .mq_msgsize = 8}; char b[8];",
      '  mqd_t q = mq_open("/q", O_CREAT | O_RDWR, 0600, &a);',
      '  return q < 0 || mq_send(q, "x", 1, 0) != 0 || mq_receive(q, b, 8, 0) != 1 || b[0] != \'x\' || mq_unlink("/q");',
      "}",
      "END",
      "gcc -o q q.c -lrt; ./q",
    ),
  },
  {
    name: "epoll, eventfd, memfd",
    script: lines(
      "python3 - <<'END'",
      "import select, os",
      "e = select.epoll(); f = os.eventfd(0); e.register(f, select.EPOLLIN); assert e.poll(0) == []",
      "os.eventfd_write(f, 1); assert len(e.poll(1)) == 1; os.write(os.memfd_create('m'), b'x')",
      "END",
    ),
  },
  {
    name: "threads of C, with locks",
    script: lines(
      "cat >t.c <<'END'",
      "#include <pthread.h>",
      "static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER; static int n;",
      "static void *f(void *x) { for (int i = 0; i < 1000; i++) { pthread_mutex_lock(&m); n++; pthread_mutex_unlock(&m); } return x; }",
      "int main(void) { pthread_t t[20]; for (int i = 0; i < 20; i++) if (pthread_create(&t[i], 0, f, 0)) return 1;",
      "  for (int i = 0; i < 20; i++) pthread_join(t[i], 0); return n != 20000; }",
      "END",
      "gcc -O1 -pthread -o t t.c; ./t",
    ),
  },
  {
    name: "node: code that is compiled as it runs, and without",
    script:
      "node --jitless -e 0; node -e 'let s = 0; for (let i = 0; i < 1e6; i++) s += i; process.exit(s === 499999500000 ? 0 : 1)'",
  },
];
