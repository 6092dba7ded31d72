import { assertEquals } from "@std/assert";
import { adoptedDirectories, coveredDirectories, mountPoints, partsOf } from "../../../lib/rootfs/parts.ts";

/** A tree with one of each kind. */
function tree(): Disposable & { readonly path: string } {
  const path = Deno.makeTempDirSync({ prefix: "libflux-test-" });
  for (const directory of ["usr/bin", "etc", "var/lib/data", "var/tmp", "tmp", "proc", "mnt/disk"]) {
    Deno.mkdirSync(`${path}/${directory}`, { recursive: true });
  }
  for (const [name, mode] of [["usr", 0o755], ["tmp", 0o1777], ["var/tmp", 0o1777], ["etc", 0o750]] as const) {
    Deno.chmodSync(`${path}/${name}`, mode);
  }
  Deno.symlinkSync("usr/bin", `${path}/bin`);
  Deno.writeTextFileSync(`${path}/file`, "");
  Deno.chmodSync(`${path}/file`, 0o640);
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

const shown = (path: string, points: readonly string[]) =>
  partsOf(path, points.map((point) => path + point))?.map(({ path, kind, target = "" }) =>
    `${kind} ${path} ${target}`.trim()
  );

Deno.test("mountPoints() reads the mount table", () => {
  assertEquals(
    mountPoints("1 2 0:1 / / rw - ext4 /dev/a rw\n2 1 0:2 /x /a\\040b\\134 rw shared:1 - tmpfs none rw\n"),
    ["/", "/a b\\"],
  );
});

Deno.test("partsOf(): an image in which nothing is mounted takes one overlay", () => {
  using image = tree();
  assertEquals(shown(image.path, []), undefined);
  // Nor does the image itself count, or what is beside it.
  assertEquals(partsOf(image.path, ["/", image.path, `${image.path}-other/usr`]), undefined);
});

Deno.test("partsOf(): what has mounts in it is made anew, with overlays over what has none", () => {
  using image = tree();
  assertEquals(shown(image.path, ["/proc", "/var/lib/data"]), [
    "link /bin usr/bin",
    "overlay /etc",
    "file /file",
    "overlay /mnt",
    "directory /proc",
    "overlay /tmp",
    "overlay /usr",
    "directory /var",
    "directory /var/lib",
    "directory /var/lib/data",
    "overlay /var/tmp",
  ]);
  const parts = partsOf(image.path, [`${image.path}/file`]) ?? [];
  assertEquals(
    parts.filter(({ path }) => ["/tmp", "/etc", "/file"].includes(path)).map(({ mode, kind }) => [kind, mode]),
    [["overlay", 0o750], ["file", 0o640], ["overlay", 0o1777]],
  );
});

Deno.test("adoptedDirectories(): those at the top, temporary ones and those above mount points, if nobody inside owns them", () => {
  using image = tree();
  const { uid, gid } = Deno.statSync(image.path);
  const users = [{ containerID: 0, hostID: uid ?? 0, size: 1 }];
  const groups = [{ containerID: 0, hostID: gid ?? 0, size: 1 }];
  const places = ["/var/lib/data/here", "/etc/hostname", "/nowhere/below/this", "/bin/link", "/file/below"];
  const all = adoptedDirectories(image.path, places, [{ containerID: 0, hostID: (uid ?? 0) + 1, size: 65536 }], groups);
  assertEquals(all.map(({ path }) => path), [
    ...["/etc", "/mnt", "/tmp", "/usr", "/var", "/var/lib", "/var/lib/data", "/var/tmp"],
  ]);
  assertEquals(all.find(({ path }) => path === "/tmp")?.mode, 0o1777);
  assertEquals(adoptedDirectories(image.path, places, users, groups), []);
  // With a group that is nobody's they can't be written to either.
  assertEquals(adoptedDirectories(image.path, places, users, []).length, all.length);
});

Deno.test("coveredDirectories(): mount points are empty, those above as they are, files and what is below no business", () => {
  using image = tree();
  const points = ["/var/lib/data", "/var/lib/data/below", "/mnt/disk", "/file", "/gone"].map((one) => image.path + one);
  assertEquals(coveredDirectories(image.path, ["/", image.path, `${image.path}-other/usr`, ...points]), [
    { path: "/var", mode: 0o755 },
    { path: "/var/lib", mode: 0o755 },
    { path: "/var/lib/data", mode: 0o755, isEmpty: true },
    { path: "/mnt", mode: 0o755 },
    { path: "/mnt/disk", mode: 0o755, isEmpty: true },
  ]);
});
