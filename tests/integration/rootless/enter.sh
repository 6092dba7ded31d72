#!/bin/sh
# Runs a command as an ordinary user that exists for it alone: ENTER ranges|single CHECKOUT DENO COMMAND…
#
# In namespaces of its own, so that the host's users, files and links stay as they are: the user is in copies of the files
# of /etc, its home and the trees that it runs are on a tmpfs, and what it needs of root's is bound where it may look.
set -eu
ranges=$1 checkout=$2 deno=$3
shift 3
uid=4242
# There on every host, and hidden in this namespace only.
place=/mnt

ip link set lo up
ip link add up0 type veth peer name up1
ip address add 10.99.0.2/24 dev up0
ip link set up0 up
ip link set up1 up
ip route add default via 10.99.0.1

mount -t tmpfs -o mode=755 none "$place"
mkdir "$place/etc" "$place/home" "$place/runtime" "$place/checkout" "$place/deno" "$place/rootfs"
for file in passwd group subuid subgid; do
  cp "/etc/$file" "$place/etc/$file"
done
echo "fluxuser:x:$uid:$uid::$place/home:/bin/sh" >>"$place/etc/passwd"
echo "fluxuser:x:$uid:" >>"$place/etc/group"
for file in subuid subgid; do
  # Nobody else's counts here.
  if [ "$ranges" = ranges ]; then echo "fluxuser:600000:65536" >"$place/etc/$file"; else : >"$place/etc/$file"; fi
done
for file in passwd group subuid subgid; do
  mount --bind "$place/etc/$file" "/etc/$file"
done
# Everywhere but in containers any user may open it.
mknod -m 666 "$place/tun" c 10 200
[ ! -e /dev/net/tun ] || mount --bind "$place/tun" /dev/net/tun
mknod -m 666 "$place/fuse" c 10 229
[ -e /dev/fuse ] || modprobe fuse 2>/dev/null || :
[ ! -e /dev/fuse ] || mount --bind "$place/fuse" /dev/fuse

mount --bind "$checkout" "$place/checkout"
cp -r "$checkout/build/rootfs/busybox" "$place/rootfs/"
cp -a "$checkout/build/rootfs/debian" "$place/rootfs/"
if [ -d "$checkout/build/rootfs/everyday" ]; then
  # A gigabyte that only changes its owner: no file is copied.
  mkdir "$place/changed" "$place/work" "$place/rootfs/everyday"
  mount -t overlay -o "lowerdir=$checkout/build/rootfs/everyday,upperdir=$place/changed,workdir=$place/work,metacopy=on" \
    none "$place/rootfs/everyday"
fi
chown -R "$uid:$uid" "$place/home" "$place/runtime" "$place/rootfs"
chmod 700 "$place/home" "$place/runtime"
mount --rbind "$place/rootfs" "$place/checkout/build/rootfs"
# An image that the kernel mounts no overlay over: it is on two of them already, and they aren't stacked any higher.
for name in once twice; do mkdir "$place/rootfs/$name" "$place/$name"; done
mount -t overlay -o "lowerdir=$place/once:$place/rootfs/busybox" none "$place/rootfs/once"
mount -t overlay -o "lowerdir=$place/twice:$place/rootfs/once" none "$place/checkout/build/rootfs/twice"
chown "$uid:$uid" "$place/once" "$place/twice"
touch "$place/deno/deno"
mount --bind "$deno" "$place/deno/deno"

# By what is in them tests see what others leave.
for directory in /tmp /dev/shm; do mount -t tmpfs -o mode=1777 none "$directory"; done

cd "$place/checkout"
exec setpriv --reuid "$uid" --regid "$uid" --clear-groups --inh-caps=-all -- \
  env -i HOME="$place/home" USER=fluxuser XDG_RUNTIME_DIR="$place/runtime" NO_COLOR=1 \
  PATH="$place/deno:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
  LIBFLUX_TEST_USER="$ranges" "$@"
