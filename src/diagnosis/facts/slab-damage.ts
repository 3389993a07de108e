/**
 * Slab objects whose damage memory shows, looked for where the kernel stopped of itself or SLUB reported some; and the one
 * that the kernel fell over, by the registers of the instruction that failed.
 */
import { add, type VirtAddr, virt, within } from '../../base/address.ts';
import { attempt } from '../../base/errors.ts';
import type { Oops } from '../../kernel/oops.ts';
import { type SlabDamage, slabDamages } from '../../kernel/slab-damage.ts';
import { slubReports } from '../../kernel/slub-report.ts';
import { defineFact } from '../../model/diagnosis.ts';
import type { Program } from '../../program/program.ts';
import { logFact } from './log.ts';
import { triggerFact } from './trigger.ts';

export const slabDamageFact = defineFact<readonly SlabDamage[]>({
  id: 'slab-damage',
  derive({ program, use }) {
    const kind = use(triggerFact)?.kind;
    const crashed = kind === 'oops' || kind === 'panic';
    if (!crashed && slubReports(use(logFact).records).length === 0) return [];
    // Without types, or with another allocator, there is nothing to look at.
    return attempt(() => slabDamages(program).damages) ?? [];
  },
});

/** Damage that the instruction which failed had to do with. */
export interface FatalDamage {
  readonly damage: SlabDamage;
  /** That shows it: 'rdi'. */
  readonly register: string;
  /** Offset, in the object that the register points into, of the pointer that was followed; undefined for a list. */
  readonly pointerAt: number | undefined;
  /** Where that object begins; undefined for a list. */
  readonly object: VirtAddr | undefined;
}

/**
 * The damage that led to an oops: a register points into the damaged object, or the one behind it, and the address that
 * failed was read there; or it is where a broken list of free objects leads to.
 */
export function fatalDamage(
  program: Program,
  { registers, address }: Oops,
  damages: readonly SlabDamage[],
): FatalDamage | undefined {
  if (address === undefined) return undefined;
  for (const damage of damages) {
    for (const [register, value] of registers) {
      const pointer = virt(value);
      if (damage.kind === 'free-list') {
        if (value === damage.leadsTo && near(address, value))
          return { damage, register, pointerAt: undefined, object: undefined };
        continue;
      }
      for (const object of reachedBy(damage)) {
        if (!within(object, add(object, damage.stride), pointer)) continue;
        const pointerAt = attempt(() => wordThat(program, object, damage.stride, address));
        if (pointerAt !== undefined) return { damage, register, pointerAt, object };
      }
    }
  }
  return undefined;
}

/** The objects that a write may have gone into: a red zone says on which side. */
function reachedBy({ kind, object, stride }: SlabDamage): readonly VirtAddr[] {
  if (object === undefined) return [];
  return kind === 'behind' ? [add(object, stride), object] : [object];
}

/** Larger than the distance from an object to any of its members that are used. */
const NEAR = 4096n;
const near = (address: bigint, pointer: bigint): boolean => address >= pointer && address - pointer < NEAR;

/** Offset of a word of the object from which the address follows. */
function wordThat(program: Program, object: VirtAddr, size: number, address: bigint): number | undefined {
  const bytes = Buffer.from(program.memory.readBytes(object, Math.min(size, 1 << 16) & ~7));
  for (let at = 0; at < bytes.length; at += 8) {
    const word = bytes.readBigUInt64LE(at);
    if (word > NEAR && near(address, word)) return at;
  }
  return undefined;
}
