import { assertEquals, assertThrows } from "@std/assert";
import { parseRun } from "../../../lib/commands/run_flags.ts";
import { UsageError } from "../../../lib/errors.ts";
import { checkProcOptions } from "../../../lib/spec/proc_options.ts";

Deno.test("checkProcOptions() takes what hides processes, and nothing else", () => {
  for (const value of ["0", "1", "2", "4", "off", "noaccess", "invisible", "ptraceable"]) {
    checkProcOptions({ procOptions: [`hidepid=${value}`, "subset=pid"] });
  }
  for (const one of ["", "hidepid", "hidepid=", "hidepid=3", "hidepid=2 ", "subset=all", "subset"]) {
    assertThrows(() => checkProcOptions({ procOptions: [one] }), UsageError, "/proc");
  }
  for (const one of ["gid=5", "rw", "suid", "exec", "hidepid=2,rw", "toString=x", "HIDEPID=2", "a\0b"]) {
    assertThrows(() => checkProcOptions({ procOptions: [one] }), UsageError);
  }
  assertThrows(() => checkProcOptions({ procOptions: ["hidepid=1", "hidepid=2"] }), UsageError, "given twice");
  const both = { procOptions: ["subset=pid"], sysctls: { "net.core.somaxconn": "1" } };
  assertThrows(() => checkProcOptions(both), UsageError, "there is no /proc/sys");
  checkProcOptions({ ...both, procOptions: ["hidepid=2"] });
});

Deno.test("--security-opt proc-opts= takes several at once, and more than once", () => {
  const flags = ["--security-opt", "proc-opts=hidepid=2,subset=pid", "--security-opt", "proc-opts:x"];
  assertEquals(parseRun("run", ["web", ...flags, "--", "true"])?.options.procOptions, [
    "hidepid=2",
    "subset=pid",
    "x",
  ]);
});
