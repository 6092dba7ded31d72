/**
 * Keeps Deno's code cache in the form that is read fastest.
 *
 * Deno writes what V8 has compiled into databases of SQLite's and ends without closing them. Then it all stays in their
 * write-ahead logs, and each start begins by reading these from end to end, checksums included: 2 to 5 ms for a cache of
 * 1.5 to 6 MB. Written into the database itself, it is mapped, and read where it is needed.
 *
 * @module
 */

/** What Deno keeps, by the names of its files; the first holds the code. */
const DATABASES = ["v8_code_cache_v2", "dep_analysis_cache_v2", "node_analysis_cache_v2"] as const;

/** Turns of the event loop after which it is written: 5 were enough. */
const TURNS = 10;

/** The size of a file in bytes; 0 where there is none. */
function sizeOf(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch {
    return 0;
  }
}

/**
 * Moves what the logs hold into the databases, if they hold anything: after the first start of an executable that is.
 * What goes wrong is no matter: the cache is as good as before.
 *
 * @param directory Deno's cache, `DENO_DIR`.
 */
export async function settleCache(directory: string): Promise<void> {
  const pending = DATABASES.map((name) => `${directory}/${name}`).filter((path) => sizeOf(`${path}-wal`) > 0);
  if (pending.length === 0) return;
  try {
    // Deno writes what it has compiled when it has nothing else to do: a command that never waits would never keep it.
    for (let turn = 0; turn < TURNS; turn++) await Deno.stat(directory);
    const { DatabaseSync } = await import("node:sqlite");
    for (const path of pending) {
      using database = new DatabaseSync(path);
      // Where another libflux is at it, one of the next will do it.
      database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    }
  } catch {
    // not ours to write, or no room: Deno goes on without, and so does libflux
  }
}
