/**
 * `kmem -m member,member`: chosen members of the page structures, of all of them or of those of given addresses. Pointers
 * and flags are in hex, numbers in decimal, what is no number as the words that it has, in hex.
 */
import { add, type VirtAddr } from '../base/address.ts';
import { UsageError } from '../base/errors.ts';
import { frameOfPage, pageOfFrame } from '../kernel/page.ts';
import { Memmap, memorySections } from '../kernel/vmemmap.ts';
import type { CommandContext } from '../model/command.ts';
import type { Shape } from '../model/shape.ts';
import { address, type Data } from '../model/value.ts';
import { sizeOf, strip } from '../program/types.ts';
import { bytesPlace, type Place, scalar } from './c-value.ts';
import { valueData } from './c-value-data.ts';
import { hex16 } from './format.ts';
import { frameOfArgument } from './kmem-pages.ts';
import { type SpecMember, structSpec } from './struct-view.ts';

/** JSON of all page structures would be larger than most dumps. */
const MAX_DATA = 1 << 16;

interface PageBytes {
  readonly page: VirtAddr;
  /** One `struct page`. */
  readonly bytes: Uint8Array;
}

/** `flags`, memdesc_flags_t since 6.18. */
const FLAGS = /^flags(\.f)?$/;

/** @param wanted - addresses of pages or in them; all pages when there are none */
export function pageMembers(
  context: CommandContext,
  list: string,
  wanted: readonly string[],
  physical: boolean,
): Shape {
  const { program } = context;
  const spec = structSpec(program, `page.${list}`, ['struct']);
  const frames = wanted.map((text) => frameOfArgument(program, text, physical));
  const pages = (): Iterable<PageBytes> =>
    frames.length === 0
      ? allPages(context)
      : frames.map((frame): PageBytes => {
          const page = pageOfFrame(program, frame);
          frameOfPage(program, page);
          return { page, bytes: program.memory.readBytes(page, program.sizeOf('struct page')) };
        });
  function* lines(): Generator<string> {
    yield `      PAGE        ${spec.members.map(({ path }) => path).join('  ')}`;
    for (const { page, bytes } of pages())
      yield [hex16(page), ...spec.members.map((member) => memberText(member, bytes, context.session.radix))].join('  ');
  }
  return {
    shape: 'lines',
    lines: lines(),
    data: () => {
      const rows: Data[] = [];
      for (const { page, bytes } of pages()) {
        if (rows.length >= MAX_DATA)
          throw new UsageError(`more than ${MAX_DATA} pages: as JSON, ask for some with -m MEMBERS ADDRESS`);
        rows.push({ page: address(page), ...membersData(spec.members, bytes) });
      }
      return rows;
    },
  };
}

function* allPages(context: CommandContext): Generator<PageBytes> {
  const memmap = new Memmap(context.program);
  let missing = 0;
  for (const section of memorySections(context.program)) {
    for (const { first, count, words, stride, readable, unreadable } of memmap.chunks(section)) {
      context.budget.check();
      missing += unreadable;
      for (let i = 0; i < count; i++) {
        if (readable[i] === 0) continue;
        const bytes = new Uint8Array(words.buffer, i * stride * 4, stride * 4);
        yield { page: add(memmap.base, (first + i) * memmap.size), bytes };
      }
    }
  }
  if (missing > 0) context.problem(`${missing} page structures are not in the dump`);
}

/** In crash's way: pointers and flags in hex, integers in decimal, other things as their words. */
function memberText({ path, place }: SpecMember, page: Uint8Array, radix: 10 | 16): string {
  const bare = strip(place.type);
  const bytes = bytesPlace(page.subarray(place.offset));
  if (bare.kind === 'int' || bare.kind === 'enum' || bare.kind === 'pointer') {
    const value = scalar(
      place.bits === undefined ? bytes : { ...bytes, bits: place.bits },
      bare.kind === 'pointer' ? 8 : bare.size,
      bare.kind !== 'pointer' && bare.signed,
    );
    const isLong = bare.kind === 'pointer' || bare.size === 8;
    return bare.kind === 'pointer' || FLAGS.test(path) || (isLong && radix === 16) ? hex16(value) : String(value);
  }
  const size = sizeOf(place.type);
  // An atomic_t that begins at -1; of others crash shows the word.
  if (path === '_mapcount') return String(scalar(bytes, size, true));
  if (size < 8) return hexOf(bytes, 0, size);
  return Array.from({ length: Math.ceil(size / 8) }, (_, i) => hexOf(bytes, i * 8, Math.min(8, size - i * 8))).join(
    ',',
  );
}

function hexOf(place: Place, at: number, size: number): string {
  return Buffer.from(place.bytes(at, size)).reverse().toString('hex');
}

function membersData(members: readonly SpecMember[], page: Uint8Array): { readonly [path: string]: Data } {
  return Object.fromEntries(
    members.map(({ path, place: { type, offset, bits } }) => {
      const bytes = bytesPlace(page.subarray(offset));
      return [path, valueData(type, bits === undefined ? bytes : { ...bytes, bits })];
    }),
  );
}
