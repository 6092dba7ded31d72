/**
 * The virtual machine with systemd as PID 1, from Debian's packages, which are seen in the machine alone.
 *
 * @module
 */
import { CACHE, exists, must, unpack } from "./kernel.ts";
import type { MachineOptions } from "./machine.ts";

/** What systemd as PID 1 needs for sessions of ordinary users. */
const PACKAGES = ["systemd", "dbus", "dbus-user-session", "libpam-systemd"];

/** The ordinary user. */
export const USER = { name: "tester", id: 4321 };

/** How to run the command. */
export interface SystemdOptions {
  /** As an ordinary user, beside a `user@.service` of its own, instead of as root. */
  readonly user: boolean;
  /** The controllers that `user@.service` hands down, instead of what Debian's does. */
  readonly delegate?: string;
}

/** The files of those packages, and of what they depend on, that this host hasn't got. @returns The layer's name. */
async function layer(): Promise<string> {
  const uris = await must("apt-get", ["--print-uris", "-qq", "--no-install-recommends", "install", ...PACKAGES]);
  // 'http://…/systemd_252.39-1_amd64.deb' systemd_252.39-1_amd64.deb 3041234 SHA256:…
  const files = [...uris.matchAll(/^'[^']+' ((\S+?)_\S+\.deb) /gm)];
  const bytes = new TextEncoder().encode(files.map(([, file]) => file).join("\n"));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex().slice(0, 12);
  const name = `systemd-${digest}`;
  if (!exists(`${CACHE}/${name}`)) {
    const partial = `${CACHE}/${name}.partial-${Deno.pid}`;
    await Deno.mkdir(partial, { recursive: true });
    const packages = files.map(([, , found]) => found ?? "");
    if (packages.length > 0) await unpack(packages, partial);
    await Deno.rename(partial, `${CACHE}/${name}`);
  }
  return name;
}

/** Units that need what the machine hasn't got, or take long and are of no use in it. */
const MASKED = [
  ...["systemd-udevd.service", "systemd-udev-trigger.service", "systemd-udev-settle.service"],
  ...["systemd-udevd-kernel.socket", "systemd-udevd-control.socket", "systemd-timesyncd.service"],
  ...["systemd-networkd.service", "systemd-resolved.service", "systemd-modules-load.service"],
  ...["systemd-random-seed.service", "systemd-sysctl.service", "systemd-binfmt.service"],
  ...["systemd-update-utmp.service", "systemd-remount-fs.service", "systemd-journal-flush.service"],
  ...["systemd-journal-catalog-update.service", "systemd-hwdb-update.service", "systemd-firstboot.service"],
  ...["systemd-pcrphase.service", "systemd-pcrphase-sysinit.service", "ldconfig.service"],
];

/** Written by PID 1 before systemd takes its place. A host's own fstab, machine id and users are none of the guest's. */
function start(delegate: string | undefined): string {
  const { name, id } = USER;
  const lines = [
    "#!/bin/sh",
    "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "units=/run/systemd/system",
    'mkdir -p "$units/user@.service.d"',
    ...MASKED.map((unit) => `ln -s /dev/null "$units/${unit}"`),
    ": >/etc/fstab",
    "tr -d - </proc/sys/kernel/random/uuid >/run/machine-id",
    "rm -f /etc/machine-id /etc/pam.d/systemd-user && cp /run/machine-id /etc/machine-id",
    "grep -q ^messagebus: /etc/group || echo messagebus:x:998: >>/etc/group",
    "grep -q ^messagebus: /etc/passwd || echo messagebus:x:998:998::/nonexistent:/usr/sbin/nologin >>/etc/passwd",
    `echo ${name}:x:${id}: >>/etc/group`,
    `echo ${name}:x:${id}:${id}::/home/${name}:/bin/sh >>/etc/passwd`,
    `echo '${name}:*:19000:0:99999:7:::' >>/etc/shadow`,
    `for file in /etc/subuid /etc/subgid; do echo ${name}:600000:65536 >>$file; done`,
    `mkdir -p /home/${name} /var/lib/systemd/linger && chown ${id}:${id} /home/${name}`,
    "rm -f /var/lib/systemd/linger/*",
    // What `pam-auth-update` writes when the package is installed; a session without it has no runtime directory.
    "grep -q pam_systemd /etc/pam.d/common-session || echo session optional pam_systemd.so >>/etc/pam.d/common-session",
    ...delegate === undefined
      ? []
      : [`printf '[Service]\\nDelegate=\\nDelegate=${delegate}\\n' >"$units/user@.service.d/delegate.conf"`],
    "cat >$units/libflux-vm.service <<'END'",
    "[Unit]",
    "DefaultDependencies=no",
    "Wants=dbus.socket systemd-logind.service",
    "After=basic.target dbus.socket systemd-logind.service",
    "Requires=basic.target",
    "[Service]",
    "ExecStart=/run/vm/guest.sh",
    "KillMode=none",
    "TasksMax=infinity",
    "LimitNOFILE=65536",
    "END",
    "exec /lib/systemd/systemd --unit=libflux-vm.service --show-status=0 --log-target=kmsg --log-level=warning",
  ];
  return lines.join("\n") + "\n";
}

/** systemd starts a slice with the first unit in it, and keeps it: no test shall find that it has made one. */
const PREPARE_ROOT = `#!/bin/sh
systemctl start machine.slice
`;

/** Lets the user to the checkout and to Deno, in the machine only, and waits for the user's manager and bus. */
const PREPARE_USER = `#!/bin/sh
while read -r path; do
  while [ "$path" != / ]; do chmod o+rx "$path"; path=$(dirname "$path"); done
done </run/vm/needs
loginctl enable-linger ${USER.name}
systemctl start user@${USER.id}.service
count=0
until [ -S /run/user/${USER.id}/bus ] || [ $count = 300 ]; do count=$((count + 1)); sleep 0.1; done
`;

const AS_USER = [
  `exec setpriv --reuid=${USER.id} --regid=${USER.id} --init-groups`,
  `env HOME=/home/${USER.name} USER=${USER.name} LOGNAME=${USER.name} XDG_RUNTIME_DIR=/run/user/${USER.id}`,
  `DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/${USER.id}/bus {}`,
].join(" ");

/** What to give to `runInMachine()` beside a command. */
export async function systemd(
  { user, delegate }: SystemdOptions,
): Promise<Pick<MachineOptions, "init" | "layers" | "prepare" | "wrapper" | "files">> {
  return {
    layers: [await layer()],
    files: { "systemd.sh": start(delegate) },
    init: "/run/vm/systemd.sh",
    ...(user ? { prepare: PREPARE_USER, wrapper: AS_USER } : { prepare: PREPARE_ROOT }),
  };
}
