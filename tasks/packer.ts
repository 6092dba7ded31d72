/**
 * Packs a program and the `deno` that runs it into one executable, without `denort` and without unpacking anything when
 * it starts: a copy of the `deno` executable with one more segment, which holds the program's bundle and a few hundred
 * bytes of code that run before deno's own first instruction. A module that most starts don't need lies before it in the
 * file, and in no segment.
 *
 * @module
 */
import { slotOf } from "./packer/dynamic.ts";
import { addSegment, ElfError, type Placement, placeSegment, readElf } from "./packer/elf.ts";
import { asksFor, type LazyModule, withLazyModule } from "./packer/lazy.ts";
import { assembleStub } from "./packer/stub.ts";

/** The program headers are always within so many bytes. */
const HEAD_SIZE = 4096;

/** What to pack. */
export interface PackOptions {
  /** The `deno` executable. */
  readonly runtime: string;
  /** The program: one JavaScript module. */
  readonly bundle: Uint8Array<ArrayBuffer>;
  /** What is imported dynamically and isn't in the bundle: by that, and by those that come later in this list. */
  readonly modules?: readonly LazyModule[];
  /** The file to write. */
  readonly output: string;
}

/** The added segment: the stub, and right behind it the bundle; `environ` as in the stub's options. */
export function segmentBytes(
  elf: { readonly architecture: "x86_64" | "aarch64"; readonly entry: number },
  placement: Placement,
  bundle: Uint8Array<ArrayBuffer>,
  environ?: number,
): Uint8Array<ArrayBuffer> {
  const stub = assembleStub({
    architecture: elf.architecture,
    address: placement.vaddr,
    entry: elf.entry,
    bundleSize: bundle.length,
    environ,
  });
  const bytes = new Uint8Array(stub.length + bundle.length);
  bytes.set(stub);
  bytes.set(bundle, stub.length);
  return bytes;
}

/** Writes the packed executable. */
export function pack({ runtime, bundle, modules = [], output }: PackOptions): void {
  Deno.copyFileSync(runtime, output);
  using file = Deno.openSync(output, { read: true, write: true });
  const head = readAt(file, 0, HEAD_SIZE);
  const elf = readElf(head);
  const size = file.statSync().size;
  let end = size;
  const placed: (readonly [module: LazyModule, offset: number])[] = [];
  const linked = (code: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> =>
    placed.filter(([{ name }]) => asksFor(code, name)).reduce(
      (text, [module, offset], index) => withLazyModule(text, module, offset, `$lazy${index}_`),
      code,
    );
  for (const { name, code } of modules) {
    const module = { name, code: linked(code) };
    writeAt(file, end, module.code);
    placed.push([module, end]);
    end += module.code.length;
  }
  const program = linked(bundle);
  const placement = placeSegment(elf, end);
  const environ = slotOf("environ", elf, (offset, size) => readAt(file, offset, size));
  const segment = segmentBytes(elf, placement, program, environ);
  writeAt(file, placement.offset, segment);
  writeAt(file, 0, addSegment(head, placement, segment.length));
  Deno.chmodSync(output, 0o755);
}

function readAt(file: Deno.FsFile, offset: number, size: number): Uint8Array {
  file.seekSync(offset, Deno.SeekMode.Start);
  const bytes = new Uint8Array(size);
  for (let done = 0; done < size;) {
    const count = file.readSync(bytes.subarray(done));
    if (count === null) throw new ElfError(`the file ends before byte ${offset + size}`);
    done += count;
  }
  return bytes;
}

function writeAt(file: Deno.FsFile, offset: number, bytes: Uint8Array): void {
  file.seekSync(offset, Deno.SeekMode.Start);
  for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
}
