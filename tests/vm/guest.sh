#!/bin/sh
# The second stage: runs the command, writes what it prints and how it ended to the two ports, and ends the machine.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
for port in /sys/class/virtio-ports/*; do
  case $(cat "$port/name") in
    out) out=/dev/${port##*/} ;;
    status) status=/dev/${port##*/} ;;
  esac
done
# A port can be opened once only.
exec 4>"$status"
modprobe -a loop tun fuse ext4
mkdir -p /run/disk
mount -t ext4 /dev/vda /run/disk
mkfifo /run/output
cat </run/output >"$out" &
reader=$!
exec 3>/run/output
if [ -x /run/vm/prepare.sh ]; then /run/vm/prepare.sh >&3 2>&1; fi
echo booted >&4
setsid -w /run/vm/command.sh </dev/null >&3 2>&1 3>&- 4>&-
code=$?
exec 3>&-
# Something that the command left may hold the pipe for ever.
(sleep 3; kill "$reader") 2>/dev/null &
wait "$reader"
echo "rc $code" >&4
sync
echo b >/proc/sysrq-trigger
sleep 60
