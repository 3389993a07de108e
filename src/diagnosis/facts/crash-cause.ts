/**
 * What kind of mistake the fatal oops shows: a list that is broken, memory used after it was freed, a stack that was too
 * small, a slab object that was damaged, or none of these. Poison values are those of include/linux/poison.h; memory that nothing poisons gives itself away
 * by SLUB's own pointer to the next free object, which was followed as if it were the object's.
 */
import { type VirtAddr, add, isKernel, virt } from '../../base/address.ts';
import { attempt } from '../../base/errors.ts';
import type { ListReport } from '../../kernel/list-report.ts';
import { listReports } from '../../kernel/list-report.ts';
import type { Oops, OopsPlace } from '../../kernel/oops.ts';
import { isFreeObject } from '../../kernel/slab-free.ts';
import { slabCaches, type SlabObject, slabObjectAt } from '../../kernel/slab.ts';
import { defineFact } from '../../model/diagnosis.ts';
import type { Program } from '../../program/program.ts';
import { logFact } from './log.ts';
import { type FatalOops, fatalOopsFact, functionAt } from './oopses.ts';
import { type FatalDamage, fatalDamage, slabDamageFact } from './slab-damage.ts';
import { NEAR_LIST_POISON, NEAR_POINTER, RECURSION } from './thresholds.ts';

/** The object that was used although it had been freed. */
export interface FreedObject {
  readonly object: SlabObject;
  /** Register of the instruction that failed which points into it. */
  readonly register: string;
  /** It is on a list of free objects. */
  readonly free: boolean;
  /** Offset in the object of the pointer that was followed; undefined where no word of it leads to the address. */
  readonly pointerAt: number | undefined;
}

export interface Recursion {
  readonly place: OopsPlace;
  readonly times: number;
  /** Where the function begins. */
  readonly func: VirtAddr | undefined;
}

export type CrashCause = { readonly fatal: FatalOops } & (
  | {
      readonly kind: 'list';
      readonly list: ListReport;
      readonly caller:
        | OopsPlace
        | undefined /** Member of the damaged `struct list_head` that still holds what the log says. */;
      readonly stands: 'next' | 'prev' | undefined;
    }
  | {
      readonly kind: 'use-after-free';
      /** `poison`: POISON_FREE (0x6b); `list-poison`: LIST_POISON1 or 2; `free-list`: SLUB's own pointer was followed. */
      readonly proof: 'poison' | 'list-poison' | 'free-list';
      readonly value: bigint;
      readonly freed: FreedObject | undefined;
    }
  | {
      readonly kind: 'stack-overflow';
      /** The function that is on the stack most often, and how often; undefined when none is there again and again. */
      readonly recursion: Recursion | undefined;
      /** `task_struct.stack`: where the stack of the task that fell ends, its lowest address. */
      readonly stack: VirtAddr | undefined;
    }
  | {
      /** A slab object that was written beyond its bounds, or to after it was freed. */
      readonly kind: 'slab-damage';
      readonly slab: FatalDamage;
    }
  | { readonly kind: 'other' }
);

/** Undefined when the machine did not crash of an oops. */
export const crashCauseFact = defineFact<CrashCause | undefined>({
  id: 'crash-cause',
  derive({ program, use }) {
    const fatal = use(fatalOopsFact);
    if (fatal === undefined) return undefined;
    const { oops } = fatal;
    if (oops.kind === 'stack-overflow') {
      const { task } = fatal;
      const stack =
        task === undefined
          ? undefined
          : attempt(() => program.field('struct task_struct', 'stack').pointer(task.address));
      return { fatal, kind: 'stack-overflow', recursion: recursionOf(program, oops), stack };
    }
    const list = oops.kind === 'bug' ? listOf(use(logFact).records, oops) : undefined;
    if (list !== undefined)
      return { fatal, kind: 'list', list, caller: oops.trace.find(isNoListFunction), stands: standsIn(program, list) };
    const freed = freedOf(program, oops);
    if (freed !== undefined) return { fatal, ...freed };
    const slab = fatalDamage(program, oops, use(slabDamageFact));
    return slab === undefined ? { fatal, kind: 'other' } : { fatal, kind: 'slab-damage', slab };
  },
});

/** The report stands just before the BUG that it ends in. */
function listOf(records: Parameters<typeof listReports>[0], oops: Oops): ListReport | undefined {
  if (!oops.headline.includes('list_debug.c') && oops.at?.func.includes('__list_') !== true) return undefined;
  return listReports(records).at(-1);
}

/** Whether the damage is still there. */
function standsIn(program: Program, { damaged, found }: ListReport): 'next' | 'prev' | undefined {
  if (damaged === undefined || found === undefined) return undefined;
  if (attempt(() => program.memory.readPointer(damaged)) === found) return 'next';
  return attempt(() => program.memory.readPointer(add(damaged, 8))) === found ? 'prev' : undefined;
}

function isNoListFunction({ func }: OopsPlace): boolean {
  return !/^(__)?list_|^(die|exc_|asm_exc_|do_trap|do_error_trap|handle_bug|report_bug)/.test(func);
}

/** The trace of an overflow shows the last frames only, and those many times over. */
function recursionOf(program: Program, { trace, at }: Oops): Recursion | undefined {
  const counts = Map.groupBy(at === undefined ? trace : [at, ...trace], ({ func }) => func);
  const [most] = [...counts.values()].sort((a, b) => b.length - a.length);
  const [place] = most ?? [];
  return place === undefined || most === undefined || most.length < RECURSION
    ? undefined
    : { place, times: most.length, func: functionAt(program, place) };
}

/** POISON_FREE in all bytes (include/linux/poison.h). */
const FREED = 0x6b6b6b6b6b6b6b6bn;
/** LIST_POISON1 and 2 with CONFIG_ILLEGAL_POINTER_VALUE of x86-64 and arm64; 0x200 in place of 0x122 until 4.20. */
const LIST_POISONS: readonly bigint[] = [0xdead000000000100n, 0xdead000000000122n, 0xdead000000000200n];

type Freed = Extract<CrashCause, { kind: 'use-after-free' }>;

function freedOf(program: Program, oops: Oops): Omit<Freed, 'fatal'> | undefined {
  // The text of a general protection fault names no address until 5.6 (commit 59c1dcbed5b5).
  const named = oops.address;
  const values = named === undefined && oops.kind === 'general-protection' ? [...oops.registers.values()] : [named];
  for (const value of values) {
    if (value === undefined) continue;
    if (value >= FREED - NEAR_POINTER && value < FREED + NEAR_POINTER)
      return { kind: 'use-after-free', proof: 'poison', value, freed: objectOf(program, oops, value, 'poisoned') };
    if (LIST_POISONS.some((poison) => value >= poison - NEAR_LIST_POISON && value < poison + NEAR_LIST_POISON))
      return { kind: 'use-after-free', proof: 'list-poison', value, freed: objectOf(program, oops, value, 'any') };
  }
  if (named === undefined || (oops.kind !== 'general-protection' && oops.kind !== 'page-fault')) return undefined;
  const freed = objectOf(program, oops, named, 'free');
  return freed === undefined ? undefined : { kind: 'use-after-free', proof: 'free-list', value: named, freed };
}

/** An object that a register points into, and that has a word which leads to the address. */
function objectOf(
  program: Program,
  oops: Oops,
  value: bigint,
  wanted: 'poisoned' | 'free' | 'any',
): FreedObject | undefined {
  const caches = attempt(() => slabCaches(program));
  if (caches === undefined) return undefined;
  for (const [register, raw] of oops.registers) {
    const pointer = virt(raw);
    if (!isKernel(pointer) || register === 'rsp' || register === 'rip') continue;
    const object = attempt(() => slabObjectAt(program, pointer, caches));
    if (object === undefined) continue;
    const pointerAt = attempt(() => leadsTo(program, object, pointer, value));
    const free = attempt(() => isFreeObject(program, object)) === true;
    if (wanted === 'free' ? free && pointerAt !== undefined : pointerAt !== undefined)
      return { object, register, free, pointerAt };
  }
  return undefined;
}

const MAX_OBJECT = 1 << 16;

/** Offset of a word of the object from which the address follows. */
function leadsTo(program: Program, object: SlabObject, pointer: VirtAddr, value: bigint): number | undefined {
  const size = Math.min(object.objectSize, MAX_OBJECT) & ~7;
  const bytes = program.memory.readBytes(object.start, size);
  const words = new BigUint64Array(bytes.buffer, bytes.byteOffset, size >> 3);
  // Nothing that the register cannot reach.
  if (pointer < object.start || pointer >= add(object.start, size)) return undefined;
  const index = words.findIndex((word) => word > NEAR_POINTER && value >= word && value - word < NEAR_POINTER);
  return index < 0 ? undefined : index * 8;
}
