/**
 * The AppArmor profile of libflux's own, loaded with the first container that is to have it.
 *
 * @module
 */
import { printable, UsageError } from "./errors.ts";
import { isLoaded } from "./labels.ts";
import { prepareAgain, type Prepared } from "./prepare.ts";
import { PROFILE_TEXT } from "./spec/apparmor_profile.ts";
import { DEFAULT_PROFILE } from "./spec/labels.ts";
import type { RunOptions } from "./spec/options.ts";
import { DIRECTORIES, findProgram } from "./store/programs.ts";
import { warn } from "./warnings.ts";

/** Has the kernel take libflux's own profile. @returns What went wrong. */
async function load(): Promise<string | undefined> {
  const parser = findProgram("apparmor_parser");
  if (parser === undefined) return "apparmor_parser isn't installed (Debian's package apparmor)";
  try {
    const command = new Deno.Command(parser, {
      // Nothing is kept in a cache: the kernel keeps it until the host is booted again.
      args: ["--replace", "--skip-cache", "--quiet"],
      clearEnv: true,
      env: { PATH: DIRECTORIES.join(":"), LC_ALL: "C" },
      cwd: "/",
      stdin: "piped",
      stdout: "null",
      stderr: "piped",
    });
    await using child = command.spawn();
    const writer = child.stdin.getWriter();
    // A parser that ends without reading is told by its exit code.
    await writer.write(new TextEncoder().encode(PROFILE_TEXT)).then(() => writer.close()).catch(() => {});
    const { success, stderr } = await child.output();
    if (success) return undefined;
    const said = new TextDecoder().decode(stderr).trim().split("\n").at(-1) ?? "";
    return `apparmor_parser refuses it${said === "" ? "" : `: ${printable(said)}`}`;
  } catch (error) {
    return `apparmor_parser can't be run: ${error instanceof Error ? error.message : error}`;
  }
}

/** Whether nobody has been told yet that there is no profile to be had. */
let isNews = true;
/**
 * Loads libflux's own profile where a container is to have it and it isn't there yet.
 *
 * @returns What is to be run: without a profile where none can be had that nobody has asked for by name.
 */
export async function confine<T extends RunOptions>(
  options: T,
  prepared: Prepared,
  nullStreams: readonly number[],
): Promise<[T, Prepared]> {
  if (prepared.spec.process.apparmorProfile !== DEFAULT_PROFILE) return [options, prepared];
  const trouble = isLoaded(DEFAULT_PROFILE) === true ? undefined : await load();
  if (trouble === undefined) return [options, prepared];
  if (options.apparmor !== undefined) {
    throw new UsageError(`the profile ${DEFAULT_PROFILE} can't be loaded: ${trouble}`);
  }
  if (isNews) warn(`containers have no AppArmor profile: ${trouble}`);
  isNews = false;
  const free: T = { ...options, apparmor: "unconfined" };
  return [free, prepareAgain(free, nullStreams, prepared)];
}
