/**
 * The device nodes that a spec names, beside those that every container has.
 *
 * @module
 */
import { fileMode } from "../../ffi/abi/constants.ts";
import type { Operand } from "../../ffi/program.ts";
import type { Device } from "../spec/types.ts";
import { type Context, named } from "./context.ts";
import { makedev, requireDevice } from "./devices.ts";

/** Makes them on a detached tmpfs, with the directories above them: nobody else can have put anything there. */
export function makeNodes(context: Context, dev: Operand): void {
  const { builder: b, spec } = context;
  const made = new Set<string>();
  (spec.linux?.devices ?? []).forEach((device, index) => {
    const field = `linux.devices[${index}]`;
    const parts = device.path.split("/").slice(2);
    parts.slice(0, -1).forEach((_, last) => {
      const name = parts.slice(0, last + 1).join("/");
      if (made.has(name)) return;
      made.add(name);
      b.syscall("mkdirat", [dev, b.string(name), named(0o755, "0755")], {
        label: `make the directory /dev/${name}`,
        path: `/dev/${name}`,
        field,
      });
    });
    makeNode(context, dev, parts.join("/"), device, field);
  });
}

function makeNode(
  context: Context,
  dev: Operand,
  name: string,
  { path, type, major, minor, fileMode: permissions = 0o666, uid = 0, gid = 0 }: Device,
  field: string,
): void {
  const { builder: b } = context;
  const mode = fileMode(type === "b" ? "S_IFBLK" : "S_IFCHR", permissions);
  const numbers = named(makedev(major, minor), `makedev(${major}, ${minor})`);
  b.syscall("mknodat", [dev, b.string(name), mode, numbers], {
    label: `make the device ${path}`,
    path,
    field,
    hint: "making device nodes takes CAP_MKNOD in the first user namespace",
  });
  if (uid !== 0 || gid !== 0) {
    b.syscall("fchownat", [dev, b.string(name), uid, gid, 0], { label: `give ${path} to ${uid}:${gid}`, path, field });
  }
  requireDevice(context, dev, name, major, minor, field, mode);
}
