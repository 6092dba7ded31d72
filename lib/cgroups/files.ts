/**
 * Reading the files of cgroups, where there are any.
 *
 * @module
 */
import { readIfThere } from "../store/directory.ts";

/**
 * A file of a cgroup; nothing where there is no such cgroup or no such file.
 *
 * @param isRecord Not one of a list of processes, which the kernel gives in parts: as `readIfThere()` has it.
 */
export function textIn(directory: string | undefined, file: string, isRecord = false): string | undefined {
  if (directory === undefined) return undefined;
  try {
    return readIfThere(`${directory}/${file}`, isRecord)?.trim();
  } catch {
    // A file that is there and tells nothing: hugetlb without huge pages, PSI that was turned off (EOPNOTSUPP).
    return undefined;
  }
}

/** A file with one number. */
export function numberIn(directory: string | undefined, file: string): number | undefined {
  const text = textIn(directory, file, true);
  return text === undefined || !/^[0-9]+$/.test(text) ? undefined : Number(text);
}

/** v1's way to say that there is no limit: the largest multiple of a page. */
const NO_LIMIT = 2 ** 62;

/** A file with a limit; nothing where it says that there is none. */
export function limitIn(directory: string | undefined, file: string): number | undefined {
  const limit = numberIn(directory, file);
  return limit === undefined || limit >= NO_LIMIT ? undefined : limit;
}

/** A value of a file of lines "key value". */
export function valueIn(directory: string | undefined, file: string, key: string): number | undefined {
  const found = new RegExp(`^${key} ([0-9]+)$`, "m").exec(textIn(directory, file, true) ?? "");
  return found === null ? undefined : Number(found[1]);
}

/** A file of words: controllers, process ids. */
export function wordsIn(directory: string | undefined, file: string): string[] {
  return (textIn(directory, file) ?? "").split(/\s+/).filter((word) => word !== "");
}
