/**
 * Makes test/cases/NAME.core.zst from a dump of the lab: the pages that lines of the shell read, and no others.
 *
 *   node tools/pack-lines.ts DUMP NAME 'runq -g' 'net -a' ...
 *
 * It refers to the common pages of its kernel in test/cores, as the cores there do, and is opened by a CoreStore of both
 * folders. Nothing of the dump is changed; pages that were not read are excluded.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Pfn } from '../src/base/address.ts';
import { unlimited } from '../src/base/budget.ts';
import { loadCommands } from '../src/cli/commands.ts';
import type { DumpFile } from '../src/dump/dump-file.ts';
import { openDump } from '../src/dump/open.ts';
import { programOf } from '../src/program/open.ts';
import { encodeShape } from '../src/render/shape-json.ts';
import { shapeChunks } from '../src/render/shape-text.ts';
import { Console } from '../src/shell/execute.ts';
import { parseLine } from '../src/shell/line.ts';
import { makeSession } from '../src/shell/session.ts';
import { packCore } from '../test/builders/core-pack.ts';
import { CoreStore } from '../test/builders/core-store.ts';

const root = join(import.meta.dirname, '..');

/** The dump with these pages alone. */
function only(dump: DumpFile, frames: ReadonlySet<Pfn>): DumpFile {
  const over: Pick<DumpFile, 'status' | 'readPage'> = {
    status: (frame) => (frames.has(frame) ? dump.status(frame) : 'excluded'),
    readPage: (frame, into) => (frames.has(frame) ? dump.readPage(frame, into) : 'excluded'),
  };
  return new Proxy(dump, {
    get(target, member) {
      if (member === 'status' || member === 'readPage') return over[member];
      const value: unknown = Reflect.get(target, member, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

async function main(): Promise<void> {
  const [path = '', name = '', ...lines] = process.argv.slice(2);
  const dump = openDump(path);
  const frames = new Set<Pfn>();
  const program = programOf(dump, { onPage: (frame) => frames.add(frame) });
  const shell = new Console(program, makeSession(await loadCommands(), [path]));
  for (const line of lines) {
    const answer = (): ReturnType<Console['run']>['shape'] => shell.run(parseLine(line)?.words ?? [], unlimited).shape;
    const text = answer();
    // A generator is asked once.
    if (text !== undefined) for (const _ of shapeChunks(text, { colour: false }));
    const json = answer();
    if (json !== undefined) encodeShape(json);
  }
  const file = `pages.${/-([^-]+)$/.exec(name)?.[1] ?? ''}.zst`;
  const core = packCore(only(dump, frames), new CoreStore(join(root, 'test/cores')).base(file), file);
  writeFileSync(join(root, 'test/cases', `${name}.core.zst`), core);
  console.log(`${name}: ${frames.size} pages, ${core.length} bytes`);
  dump.close();
}

await main();
