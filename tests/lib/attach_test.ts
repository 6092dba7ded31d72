import { assert, assertEquals, assertRejects } from "@std/assert";
import { SIG } from "../../ffi/abi/constants.ts";
import { attach } from "../../lib/attach.ts";
import type { Container, ContainerStatus } from "../../lib/container.ts";
import { ignoredSignals } from "../../lib/signals.ts";

/** As much of a container as attach() needs. */
function withTerminal(
  stdout: ReadableStream<Uint8Array<ArrayBuffer>>,
  status: Promise<ContainerStatus>,
): Container {
  const part: Partial<Container> = { hasTerminal: true, stdin: new WritableStream(), stdout, status, resize: () => {} };
  return part as Container;
}

Deno.test("attach() refuses a container whose output somebody reads already", async () => {
  const stdout = new ReadableStream<Uint8Array<ArrayBuffer>>();
  stdout.getReader();
  const { promise } = Promise.withResolvers<ContainerStatus>();
  await assertRejects(() => attach(withTerminal(stdout, promise)), TypeError);
});

Deno.test("attach() shows all there is before it tells how a container failed", async () => {
  let over = false;
  const stdout = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      over = true;
      controller.close();
    },
  });
  await assertRejects(() => attach(withTerminal(stdout, Promise.reject(new Error("failed")))), Error, "failed");
  assertEquals(over, true);
});

Deno.test("attach() leaves signals ignored that the process was started with so", async () => {
  const script = `
    import { attach } from ${JSON.stringify(new URL("../../lib/attach.ts", import.meta.url).href)};
    const status = Promise.resolve().then(() => console.log(Deno.readTextFileSync("/proc/self/status")));
    const stdout = new ReadableStream({ start: (controller) => controller.close() });
    await attach({ hasTerminal: true, stdin: new WritableStream(), stdout, status, resize() {} });`;
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", 'trap "" HUP; exec "$@"', "sh", Deno.execPath(), "eval", script],
    stdin: "null",
  }).output();
  assert(ignoredSignals(new TextDecoder().decode(stdout)).includes(SIG.SIGHUP));
});
