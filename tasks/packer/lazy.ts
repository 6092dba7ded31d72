/**
 * A second bundle in a packed executable: a module that the first one imports dynamically, and that costs nothing until
 * then. In one bundle it would: the bundler hoists what such a module imports of Node to the top.
 *
 * The module comes out of the executable that is running, `/proc/self/exe`: whatever is at its path by now, nobody but
 * the process itself can put another in its place.
 *
 * @module
 */

/** A module that is loaded when it is asked for. */
export interface LazyModule {
  /** What the bundle imports it as: `import("NAME")`. */
  readonly name: string;
  /** Its own bundle. */
  readonly code: Uint8Array<ArrayBuffer>;
}

/** Whether a bundle asks for a module that isn't in it, in whatever way. */
export function asksFor(bundle: Uint8Array<ArrayBuffer>, name: string): boolean {
  return new TextDecoder().decode(bundle).includes(name);
}

const expression = (name: string): string => `import(${JSON.stringify(name)})`;

/**
 * The bundle, with its import of the module replaced by one that finds it in the executable.
 *
 * @param module The module.
 * @param offset Where in the executable's file it begins.
 * @param own A name that nothing in the bundle has.
 */
export function withLazyModule(
  bundle: Uint8Array<ArrayBuffer>,
  { name, code }: LazyModule,
  offset: number,
  own = "$lazy",
): Uint8Array<ArrayBuffer> {
  const text = new TextDecoder().decode(bundle);
  const replaced = text.replaceAll(expression(name), () => `${own}()`);
  if (replaced === text) throw new RangeError(`the bundle has no ${expression(name)}`);
  if (replaced.includes(name)) throw new RangeError(`the bundle imports ${name} in another way too`);
  if (text.includes(own)) throw new RangeError(`the bundle has a ${own} of its own`);
  const args = ["import.meta.url", JSON.stringify(`?${name}`), offset, code.length].join();
  // Once: while the module is being read, its file must not be written again.
  return new TextEncoder().encode(
    `${replaced}\nvar ${own}Module;function ${own}(){return ${own}Module??=(${load})(${args})}\n`,
  );
}

/**
 * Goes into the bundle as text, and so may use nothing of this file. The module gets the file in memory that the bundle
 * was in, under a URL of its own: at a URL that is the same at each start V8 keeps what it has compiled, which at a blob's
 * it doesn't. The bundle isn't read again.
 */
function load(bundle: string, query: string, offset: number, size: number): Promise<unknown> {
  const code = new Uint8Array(size);
  const file = Deno.openSync("/proc/self/exe");
  try {
    file.seekSync(offset, 0);
    for (let done = 0; done < size;) {
      const count = file.readSync(code.subarray(done));
      if (count === null) throw new Error("libflux's executable is shorter than it was when it was built");
      done += count;
    }
  } finally {
    file.close();
  }
  Deno.writeFileSync(new URL(bundle), code);
  return import(bundle + query);
}
