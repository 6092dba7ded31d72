#!/bin/busybox sh
# PID 1 of the virtual machine: makes a root of the host's files, with all changes in memory, and goes there.
# The folder `vm` says how: `settings` (RELEASE, INIT), `overlays` (a path a line).
/bin/busybox --install -s /bin
export PATH=/bin
mkdir -p /proc /sys /dev /vm /host /cache /mem /new
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read -r name; do insmod "/modules/$name"; done </modules/order

share() { mount -t 9p -o "trans=virtio,version=9p2000.L,msize=512000,$3" "$1" "$2"; }
share host /host cache=loose,ro
share cache /cache cache=loose,ro
share vm /vm cache=none
. /vm/settings

# An overlay of host files, with what is written to it in memory.
layered() { # LOWER NAME TARGET
  mkdir -p "/mem/$2/upper" "/mem/$2/work" "$3"
  mount -t overlay -o "lowerdir=$1,upperdir=/mem/$2/upper,workdir=/mem/$2/work" overlay "$3"
}
mount -t tmpfs -o mode=755,size=80% mem /mem
lower=/host
for layer in $LAYERS; do lower="/cache/$layer:$lower"; done
layered "$lower" root /new
mount --move /sys /new/sys
mount --move /dev /new/dev
for directory in /tmp /run /dev/shm; do
  mkdir -p "/new$directory"
  mount -t tmpfs -o mode=1777 tmpfs "/new$directory"
done
chmod 755 /new/run
# What the suite needs and those three have hidden.
count=0
while read -r path; do
  count=$((count + 1))
  layered "/host$path" "$count" "/new$path"
done </vm/overlays
mkdir -p /new/dev/pts /new/dev/mqueue /new/run/vm /new/run/lock
mount -t devpts -o mode=620,gid=5,ptmxmode=666 devpts /new/dev/pts
mount -t mqueue mqueue /new/dev/mqueue
for link in fd:/proc/self/fd stdin:/proc/self/fd/0 stdout:/proc/self/fd/1 stderr:/proc/self/fd/2; do
  ln -sf "${link#*:}" "/new/dev/${link%%:*}"
done
mount -t cgroup2 -o nsdelegate cgroup2 /new/sys/fs/cgroup
mkdir -p "/new/lib/modules/$RELEASE"
mount --bind "/cache/linux-image-$RELEASE/lib/modules/$RELEASE" "/new/lib/modules/$RELEASE"
mount --move /vm /new/run/vm
mount --move /proc /new/proc
ip link set lo up
# shellcheck disable=SC2086 # INIT is a command and its arguments
exec switch_root /new $INIT
