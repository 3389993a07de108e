/** A dump without some of its pages: left out on purpose, or lost with a part of the file. */
import type { DumpFile, PageStatus } from '../../src/dump/dump-file.ts';

/** @param frames - page frames that are not there */
export function withoutPages(
  dump: DumpFile,
  frames: ReadonlySet<number>,
  status: Extract<PageStatus, 'excluded' | 'lost'> = 'excluded',
): DumpFile {
  const over: Partial<DumpFile> = {
    status: (frame) => (frames.has(frame) ? status : dump.status(frame)),
    readPage: (frame, into) => (frames.has(frame) ? status : dump.readPage(frame, into)),
  };
  return new Proxy(dump, {
    get(target, name) {
      const value: unknown = Reflect.get(name in over ? over : target, name);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
