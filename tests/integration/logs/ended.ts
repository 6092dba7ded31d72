/**
 * Containers that have ended, without one that ever was.
 *
 * @module
 */
import { checkLog } from "../../../lib/spec/log_options.ts";
import { type ContainerRecord, History } from "../../../lib/store/history.ts";
import { libflux, temporaryDirectory, uniqueName } from "../support.ts";

/** A state root with a container that has ended, and its log. */
export class Ended implements Disposable {
  readonly #directory = temporaryDirectory();
  readonly root = this.#directory.path;
  readonly name = uniqueName();
  readonly history = new History(`${this.root}/history`);
  readonly log = `${this.history.directory(this.name)}/log`;

  constructor(more: Partial<ContainerRecord> = {}) {
    this.history.begin({
      ...{ name: this.name, id: "b".repeat(64), image: "/srv", command: ["cmd"], labels: {}, terminal: false },
      ...{ created: "2026-01-02T03:00:00.000Z", restarts: 0, log: checkLog({}), remove: false },
      ...{ finished: "2026-01-02T04:00:00.000Z", code: 3 },
      ...more,
    }).close();
  }

  /** A command about it. */
  run(command: string, ...args: string[]) {
    return libflux([command, "--root", this.root, ...args]);
  }

  [Symbol.dispose](): void {
    this.#directory[Symbol.dispose]();
  }
}
