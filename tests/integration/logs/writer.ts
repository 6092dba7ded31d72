/**
 * A process that writes a log as a monitor does, and rotates it as fast as it can: what `reader_test.ts` follows.
 * Arguments: the container's directory, the log's file, how many files there are, how many lines.
 *
 * @module
 */
import { encodeRecord } from "../../../lib/logs/format.ts";
import { bootId, writeAtomically } from "../../../lib/store/directory.ts";
import { lockFile } from "../../../lib/store/lock.ts";
import { startTime } from "../../../lib/store/process.ts";

const [container = "", path = "", maxFile = "", count = ""] = Deno.args;
const files = Number(maxFile);
const PER_FILE = 500;

const lock = lockFile(`${container}/lock`);
if (typeof lock === "string") throw new Error(`the lock is ${lock}`);
const state = {
  ...{ name: container.slice(container.lastIndexOf("/") + 1), id: "b".repeat(64), pid: Deno.pid, image: "/srv" },
  ...{ startTime: startTime(Deno.pid), command: ["cmd"], created: "2026-01-02T03:00:00.000Z", labels: {} },
  ...{ cgroups: { legacy: {} }, monitor: Deno.pid, monitorStartTime: startTime(Deno.pid), bootId: bootId() },
};
writeAtomically(`${container}/state.json`, JSON.stringify(state));

function begin(): Deno.FsFile {
  return Deno.openSync(`${path}.new`, { create: true, truncate: true, write: true });
}

function rotate(): Deno.FsFile {
  const next = begin();
  for (let age = files - 2; age >= 0; age--) {
    try {
      Deno.renameSync(age === 0 ? path : `${path}.${age}`, `${path}.${age + 1}`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  Deno.renameSync(`${path}.new`, path);
  return next;
}

let file = rotate();
const encoder = new TextEncoder();
function write(line: number): void {
  file.writeSync(encodeRecord({ stream: "stdout", time: Date.now(), data: encoder.encode(`${line}\n`) }));
}

write(0);
console.log("ready");
// Until it is told to go on.
await new Response(Deno.stdin.readable).arrayBuffer();
for (let line = 1; line < Number(count); line++) {
  if (line % PER_FILE === 0) {
    file.close();
    file = rotate();
  }
  write(line);
}
file.close();
// It ends as one that was killed: its directory stays, and nobody has the lock.
