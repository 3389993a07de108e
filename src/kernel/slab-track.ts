/**
 * Who allocated and freed a slab object last, as SLUB keeps it behind each object with slub_debug=U (`struct track`,
 * mm/slub.c). The stacks that are kept beside (CONFIG_STACKDEPOT) are not read. SLUB only.
 */
import { add, isKernel, type VirtAddr, virt } from '../base/address.ts';
import type { Program } from '../program/program.ts';
import type { SlabObject } from './slab.ts';
import type { SlubTrack } from './slub-report.ts';

export interface ObjectTracks {
  readonly allocated: SlubTrack | undefined;
  readonly freed: SlubTrack | undefined;
}

/** SLAB_STORE_USER; a bit of enum _slab_flag_bits since 6.9 (commit cc61eb851461). */
function storesUser(program: Program): bigint {
  const bit = program.enumerator('_SLAB_STORE_USER');
  return bit === undefined ? 0x10000n : 1n << bit;
}

/** The words of an object are behind it, and its red zone, where this is the case. */
const POINTER = 8;
const MAX_OFFSET = 1 << 22;

/**
 * What SLUB noted of an object.
 * @param object - of a `struct kmem_cache`, as `slabObjectAt` found it
 * @returns undefined where its cache notes nothing
 * @throws FaultError, LookupError
 */
export function objectTracks(
  program: Program,
  { cache, start }: Pick<SlabObject, 'cache' | 'start'>,
): ObjectTracks | undefined {
  const of = (member: string) => program.field('struct kmem_cache', member);
  if ((of('flags').u64(cache) & storesUser(program)) === 0n) return undefined;
  const inuse = of('inuse').number(cache);
  if (inuse < 0 || inuse > MAX_OFFSET) return undefined;
  // get_info_end(): the pointer to the next free object stands between, where it is not inside of the object.
  const end = of('offset').number(cache) >= inuse ? inuse + POINTER : inuse;
  // TRACK_ALLOC, TRACK_FREE.
  const [allocated, freed] = [0, 1].map((index) =>
    trackAt(program, add(start, end + index * program.sizeOf('struct track'))),
  );
  return { allocated, freed };
}

function trackAt(program: Program, track: VirtAddr): SlubTrack | undefined {
  const caller = virt(program.field('struct track', 'addr').u64(track));
  const at = isKernel(caller) ? program.symbols.at(caller) : undefined;
  if (at === undefined || !program.isText(caller)) return undefined;
  const pid = program.field('struct track', 'pid').number(track);
  return { func: at.name, offset: at.offset, module: at.module, pid: pid > 0 ? pid : undefined };
}
