/**
 * Ranges of frames that are known from elsewhere than page structures: zones, what is memory, and what of it was set aside
 * at boot for the kernel image and the crash kernel. Asked in the order of frames, as the page walk does.
 */
import { add } from '../base/address.ts';
import { attempt, ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { iomemResources } from './iomem.ts';
import { codeOf, type PageClassId } from './page-class.ts';
import { type Zone, zones } from './zone.ts';

interface Range {
  readonly first: number;
  /** Behind the last. */
  readonly end: number;
}

const MAX_CMA_AREAS = 256;
const MAX_CMA_RANGES = 8;

/** Resources inside of 'System RAM'. */
const INSIDE: { readonly [name: string]: PageClassId } = {
  'Kernel code': 'image',
  'Kernel rodata': 'image',
  'Kernel data': 'image',
  'Kernel bss': 'image',
  'Crash kernel': 'crashkernel',
};

/** `struct cma cma_areas[cma_area_count]`, mm/cma.c. */
function contiguousAreas(program: Program): readonly Range[] {
  const table = program.symbols.kernel.lookup('cma_areas');
  if (table === undefined) return [];
  const count = program.memory.readU32(program.symbol('cma_area_count').address);
  if (count > MAX_CMA_AREAS) throw new ValidationError('cma_area_count', table.address, `is ${count}`);
  const size = program.sizeOf('struct cma');
  // Ranges of its own since 6.15 (commit c009da4258f9); one range of base_pfn and count before.
  const ranges = program.tryField('struct cma', 'nranges');
  const prefix = (i: number): string => (ranges === undefined ? '' : `ranges[${i}].`);
  return Array.from({ length: count }, (_, n) => add(table.address, n * size)).flatMap((area) => {
    const length = ranges === undefined ? 1 : Math.min(ranges.number(area), MAX_CMA_RANGES);
    return Array.from({ length }, (__, i): Range => {
      const first = program.field('struct cma', `${prefix(i)}base_pfn`).number(area);
      return { first, end: first + program.field('struct cma', `${prefix(i)}count`).number(area) };
    });
  });
}

export class Regions {
  readonly zones: readonly Zone[];
  /** Frames of 'System RAM'; undefined where the map of addresses cannot be read. */
  readonly memory: number | undefined;
  readonly #zoneOrder: readonly { readonly first: number; readonly end: number; readonly index: number }[];
  readonly #ram: readonly Range[] | undefined;
  readonly #inside: readonly (Range & { readonly code: number })[];
  readonly #contiguous: readonly Range[];
  #zone = 0;
  #at = 0;
  #insideAt = 0;

  /** @throws FaultError, LookupError, ValidationError when the zones cannot be read */
  constructor(program: Program) {
    this.zones = zones(program);
    this.#zoneOrder = this.zones
      .map(({ startPfn, spanned }, index) => ({ first: startPfn, end: startPfn + spanned, index }))
      .filter(({ first, end }) => end > first)
      .sort((a, b) => a.first - b.first);
    const resources = attempt(() => iomemResources(program));
    const { pageSize } = program;
    // As the kernel does, a page of which a part is no memory is none.
    const inner = (start: bigint, end: bigint): Range => ({
      first: Math.ceil(Number(start) / pageSize),
      end: Math.floor((Number(end) + 1) / pageSize),
    });
    const outer = (start: bigint, end: bigint): Range => ({
      first: Math.floor(Number(start) / pageSize),
      end: Math.ceil((Number(end) + 1) / pageSize),
    });
    this.#ram = resources
      ?.filter(({ name }) => name.startsWith('System RAM'))
      .map(({ start, end }) => inner(start, end));
    this.memory = this.#ram?.reduce((sum, { first, end }) => sum + Math.max(0, end - first), 0);
    this.#contiguous = attempt(() => contiguousAreas(program)) ?? [];
    this.#inside = (resources ?? [])
      .flatMap(({ name, start, end }) => {
        const id = INSIDE[name];
        return id === undefined ? [] : [{ ...outer(start, end), code: codeOf(id) }];
      })
      .sort((a, b) => a.first - b.first);
  }

  /** Position in `zones` of the zone that a frame is in, or -1. Zones that reach into each other are told by the first. */
  zoneOf(frame: number): number {
    for (let n = 0; n < this.#zoneOrder.length; n++) {
      const zone = this.#zoneOrder[this.#zone];
      if (zone !== undefined && frame >= zone.first && frame < zone.end) return zone.index;
      this.#zone = (this.#zone + 1) % this.#zoneOrder.length;
    }
    return -1;
  }

  /** False when the map of addresses says that there is no memory. */
  isMemory(frame: number): boolean {
    const ram = this.#ram;
    if (ram === undefined) return true;
    for (let n = 0; n <= ram.length; n++) {
      const range = ram[this.#at];
      const before = this.#at === 0 ? 0 : (ram[this.#at - 1]?.end ?? 0);
      if (range === undefined ? frame >= before : frame < range.end && frame >= before) {
        return range !== undefined && frame >= range.first;
      }
      this.#at = (this.#at + 1) % (ram.length + 1);
    }
    return false;
  }

  /** True in an area of the contiguous memory allocator. */
  isContiguous(frame: number): boolean {
    return this.#contiguous.some(({ first, end }) => frame >= first && frame < end);
  }

  /** The class of a frame that was set aside at boot, as far as the map of addresses tells. */
  bootCode(frame: number): number {
    for (let n = 0; n < this.#inside.length; n++) {
      const range = this.#inside[this.#insideAt];
      if (range !== undefined && frame >= range.first && frame < range.end) return range.code;
      this.#insideAt = (this.#insideAt + 1) % this.#inside.length;
    }
    return codeOf('boot');
  }
}
