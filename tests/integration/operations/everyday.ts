/**
 * What a default container must let everybody do, as data: scripts of bash, below `set -euo pipefail`, each in a
 * directory of its own, by root inside, in a Debian with the usual tools and no network but lo.
 *
 * @module
 */

import { type Everyday, FILES, lines, PROCESSES } from "./everyday_system.ts";

const PACKAGES: readonly Everyday[] = [
  {
    name: "dpkg -i of a package built here",
    script: lines(
      "mkdir -p p/DEBIAN p/usr/bin p/var/lib/own; echo data >p/var/lib/own/data",
      "printf 'Package: own\\nVersion: 1\\nArchitecture: all\\nMaintainer: x <x@x>\\nDescription: x\\n' >p/DEBIAN/control",
      "printf '#!/bin/sh\\nadduser --system --group own >/dev/null\\nchown own: /var/lib/own\\n' >p/DEBIAN/postinst",
      "printf '#!/bin/sh\\necho own works\\n' >p/usr/bin/own; chmod 755 p/usr/bin/own p/DEBIAN/postinst",
      "dpkg-deb --build --root-owner-group p own.deb; dpkg -i own.deb",
      '[ "$(own)" = "own works" ]; [ "$(stat -c %U /var/lib/own)" = own ]',
      "dpkg --purge own; ! command -v own",
    ),
  },
  {
    name: "apt-get install of a local package",
    script: lines(
      "mkdir -p p/DEBIAN p/opt; echo data >p/opt/local",
      "printf 'Package: local\\nVersion: 1\\nArchitecture: all\\nMaintainer: x <x@x>\\nDescription: x\\n' >p/DEBIAN/control",
      "dpkg-deb --build --root-owner-group p local.deb",
      "apt-get install -y $PWD/local.deb; [ -s /opt/local ]; apt-get purge -y local; [ ! -e /opt/local ]",
    ),
  },
  { name: "ldconfig, update-alternatives", script: "ldconfig; update-alternatives --set awk /usr/bin/mawk" },
  {
    name: "gcc: compile and run",
    script: lines(
      `echo 'int printf(const char*,...); int main(){return printf("%d\\n",6*7)-3;}' >a.c`,
      'gcc -O2 -Wall -o a a.c; [ "$(./a)" = 42 ]',
    ),
  },
  {
    name: "gcc: a shared library, loaded at run time",
    script: lines(
      "echo 'int f(void){return 7;}' >f.c; gcc -shared -fPIC -o libf.so f.c",
      `python3 -c 'import ctypes; assert ctypes.CDLL("./libf.so").f() == 7'`,
    ),
  },
  {
    name: "make -j4",
    script: lines(
      'for i in 1 2 3 4; do echo "int f$i(void){return $i;}" >$i.c; done',
      "printf 'lib.a: 1.o 2.o 3.o 4.o\\n\\tar rcs $@ $^\\n' >Makefile; make -j4; ar t lib.a | grep -c . | grep -x 4",
    ),
  },
  {
    name: "git: commit, clone, branch",
    script: lines(
      "git init -q a; cd a; git config user.name x; git config user.email x@x; echo 1 >f; git add f; git commit -qm one",
      "git clone -q . ../b; cd ../b; git checkout -qb other; git log --oneline | grep one; git fsck",
    ),
  },
];

const LANGUAGES: readonly Everyday[] = [
  {
    name: "python: a program",
    script: `[ "$(python3 -c 'import json; print(json.dumps([1, 2**70]))')" = "[1, ${2n ** 70n}]" ]`,
  },
  {
    name: "python: threads",
    script: lines(
      "python3 - <<'END'",
      "import threading, queue",
      "q = queue.Queue()",
      "ts = [threading.Thread(target=q.put, args=(i,)) for i in range(50)]",
      "[t.start() for t in ts]; [t.join() for t in ts]",
      "assert sorted(q.queue) == list(range(50))",
      "END",
    ),
  },
  {
    name: "python: processes that share a pool",
    script: lines(
      "python3 - <<'END'",
      "import multiprocessing as m",
      "with m.Pool(4) as p: assert sum(p.map(abs, range(-100, 0))) == 5050",
      "END",
    ),
  },
  {
    name: "python: subprocess",
    script: `python3 -c 'import subprocess as s; assert s.check_output(["echo", "x"]) == b"x\\n"'`,
  },
  { name: "node: a program", script: `[ "$(node -e 'console.log([3, 1, 2].sort().join())')" = 1,2,3 ]` },
  {
    name: "node: worker threads",
    script: lines(
      "cat >w.js <<'END'",
      "const { Worker, isMainThread, parentPort } = require('worker_threads');",
      "if (isMainThread) new Worker(__filename).on('message', (n) => process.exit(n === 7 ? 0 : 1));",
      "else parentPort.postMessage(7);",
      "END",
      "node w.js",
    ),
  },
  {
    name: "node: a web server and its client",
    script: lines(
      "cat >s.js <<'END'",
      "require('http').createServer((q, r) => r.end('hi ' + q.url)).listen(0, '127.0.0.1', async function () {",
      "  const text = await (await fetch(`http://127.0.0.1:${this.address().port}/x`)).text();",
      "  process.exit(text === 'hi /x' ? 0 : 1);",
      "});",
      "END",
      "node s.js",
    ),
  },
  {
    name: "node: watching files (inotify)",
    script: lines(
      'node -e \'require("fs").watch(".", (e, f) => process.exit(f === "new" ? 0 : 1)); setTimeout(() => require("fs").writeFileSync("new", ""), 100)\'',
    ),
  },
  {
    name: "perl: fork, pipe and wait",
    script: `[ "$(perl -e 'pipe R, W; if (fork) { close W; print <R>; wait } else { print W "child" }')" = child ]`,
  },
  {
    name: "awk, sed, sort, xargs",
    script: `seq 100 | sed 's/^/n /' | awk '{s += $2} END {print s}' | xargs -n1 -P2 echo | sort | grep -x 5050`,
  },
];

const SERVERS: readonly Everyday[] = [
  {
    name: "postgres: initdb, start, query, stop",
    script: lines(
      'bin=$(ls -d /usr/lib/postgresql/*/bin); as() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }',
      "chown postgres .; as $bin/initdb -D db -A trust >/dev/null",
      'as $bin/pg_ctl -D db -o "-k $PWD -c listen_addresses=127.0.0.1" -l log -w start >/dev/null || { cat log; false; }',
      "as psql -h 127.0.0.1 -c 'create table t (n int); insert into t select generate_series(1, 1000)' >/dev/null",
      '[ "$(as psql -h "$PWD" -Atc \'select sum(n) from t\')" = 500500 ]',
      "as $bin/pg_ctl -D db -m fast -w stop >/dev/null",
    ),
  },
  {
    name: "nginx: serve a page on port 80",
    script: lines(
      "echo own page >/var/www/html/index.html; nginx; curl -sS http://127.0.0.1/ | grep 'own page'",
      "ps -o user= -C nginx | grep www-data; nginx -s quit",
    ),
  },
  {
    name: "redis: set and get",
    script: lines(
      "redis-server --port 6379 --daemonize yes --logfile log --dir . >/dev/null",
      "for i in $(seq 100); do redis-cli ping 2>/dev/null | grep -q PONG && break; sleep 0.05; done",
      "redis-cli set a 7 >/dev/null; [ $(redis-cli get a) = 7 ]; redis-cli shutdown",
    ),
  },
  {
    name: "sshd: log in by a key",
    script: lines(
      "mkdir -p /run/sshd ~/.ssh; chmod 700 ~/.ssh; ssh-keygen -q -t ed25519 -N '' -f key; cp key.pub ~/.ssh/authorized_keys",
      "/usr/sbin/sshd -p 2222 -o PidFile=$PWD/pid -o UsePAM=yes",
      "ssh -p 2222 -i key -o StrictHostKeyChecking=no -o UserKnownHostsFile=known root@127.0.0.1 id -u | grep -x 0",
      "kill $(cat pid)",
    ),
  },
  {
    name: "sqlite",
    script:
      `sqlite3 a.db 'pragma journal_mode=wal; create table t (a); insert into t values (42); select a from t' | grep -x 42`,
  },
  {
    name: "cron: a table, and the daemon",
    script: lines(
      "echo '* * * * * true' | crontab -; crontab -l | grep true; cron; pkill -x cron; crontab -r",
    ),
  },
];

const NETWORK: readonly Everyday[] = [
  { name: "ping 127.0.0.1", script: "ping -c 1 -W 2 127.0.0.1" },
  {
    name: "ping as a user",
    script: "setpriv --reuid=1000 --regid=1000 --clear-groups ping -c 1 -W 2 127.0.0.1",
  },
  {
    name: "a port below 1024",
    script: `perl -MIO::Socket::INET -e 'IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1:443") or die $!'`,
  },
  {
    name: "UDP",
    script:
      `python3 -c 'import socket as s; a = s.socket(2, 2); a.bind(("127.0.0.1", 0)); b = s.socket(2, 2); b.sendto(b"x", a.getsockname()); assert a.recv(9) == b"x"'`,
  },
  {
    name: "unix sockets, with credentials and a descriptor",
    script: lines(
      "python3 - <<'END'",
      "import socket as s, struct, os",
      "l = s.socket(s.AF_UNIX); l.bind('u'); l.listen(); c = s.socket(s.AF_UNIX); c.connect('u'); a, _ = l.accept()",
      "assert struct.unpack('3i', a.getsockopt(s.SOL_SOCKET, s.SO_PEERCRED, 12)) == (os.getpid(), 0, 0)",
      "s.send_fds(c, [b'x'], [os.open('/etc/hostname', os.O_RDONLY)]); assert len(s.recv_fds(a, 1, 1)[1]) == 1",
      "END",
    ),
  },
  { name: "ip addr, ip route, ss", script: "ip addr show lo | grep 127.0.0.1; ip route; ss -tuln" },
  { name: "names by /etc/hosts", script: 'getent hosts localhost; getent passwd root; [ -n "$(hostname)" ]' },
  {
    name: "openssl: a key, a certificate",
    script:
      "openssl req -x509 -newkey rsa:2048 -nodes -keyout k -out c -subj /CN=x -days 1; openssl verify -CAfile c c",
  },
];

/** All of them. */
export const EVERYDAY: readonly Everyday[] = [
  ...[PACKAGES, LANGUAGES, SERVERS, NETWORK, FILES, PROCESSES].flat(),
];
