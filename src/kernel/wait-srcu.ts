/**
 * Waits for a grace period of SRCU: which `struct srcu_struct`, and how many readers have not left. Readers are counted per
 * CPU and not recorded, so nobody can be named (include/linux/srcutree.h, kernel/rcu/srcutree.c; SRCU in this form since 4.12).
 */
import { isAligned, isKernel, type VirtAddr, virt } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { cpus } from './cpus.ts';
import type { FoundWait } from './wait-kinds.ts';
import { placeOf } from './wait-objects.ts';
import { isOnStack, type SleeperStack } from './wait-shapes.ts';

/** Callbacks that wait on one CPU. */
const MAX_CALLBACKS = 1 << 16;

/**
 * @param waiter - `struct rcu_synchronize *` on the stack, whose first member is the callback
 * @throws FaultError, LookupError
 */
export function srcuWait(stack: SleeperStack, waiter: VirtAddr): FoundWait {
  const { program } = stack;
  const found = {
    kind: 'grace-period',
    edge: 'SRCU grace period',
    what: 'for a grace period of SRCU',
    proof: 'structure',
    awaited: [],
  } as const;
  const domain = attempt(() => domainOf(stack, waiter));
  if (domain === undefined) return { ...found, object: { address: waiter, ctype: 'struct rcu_synchronize' } };
  const place = placeOf(program, domain);
  const count = attempt(() => readersOf(program, domain));
  return {
    ...found,
    what: `${found.what}${place === undefined ? '' : `, of ${place.what}`}`,
    name: place?.name,
    object: { address: domain, ctype: 'struct srcu_struct' },
    ...(count === undefined || count < 0n ? {} : { detail: readersText(count) }),
  };
}

const readersText = (count: bigint): string =>
  count === 0n
    ? 'all its readers have left'
    : `${count} ${count === 1n ? 'reader has' : 'readers have'} not left; SRCU does not record who`;

/** The `struct srcu_struct *` on the stack among whose callbacks the waiter stands. */
function domainOf(stack: SleeperStack, waiter: VirtAddr): VirtAddr | undefined {
  const { program, words } = stack;
  const possible = cpus(program, 'possible');
  const seen = new Set<VirtAddr>();
  for (const word of words.words) {
    const at = virt(word);
    if (seen.has(at) || !isKernel(at) || !isAligned(at, 8) || isOnStack(stack, at)) continue;
    seen.add(at);
    const data = attempt(() => perCpuData(program, at, possible));
    if (data?.some((each) => attempt(() => isQueued(program, each, waiter)) === true) === true) return at;
  }
  return undefined;
}

/** Each CPU's `struct srcu_data *`, which names the structure in turn. @throws FaultError, LookupError */
function perCpuData(program: Program, domain: VirtAddr, possible: readonly number[]): readonly VirtAddr[] | undefined {
  const base = program.field('struct srcu_struct', 'sda').pointer(domain);
  const back = program.field('struct srcu_data', 'ssp');
  const found: VirtAddr[] = [];
  for (const cpu of possible) {
    const data = program.perCpuAddress(base, cpu);
    if (back.pointer(data) !== domain) return undefined;
    found.push(data);
  }
  return found;
}

function isQueued(program: Program, data: VirtAddr, waiter: VirtAddr): boolean {
  let at = program.field('struct srcu_data', 'srcu_cblist.head').pointer(data);
  for (let n = 0; n < MAX_CALLBACKS && isKernel(at); n++) {
    if (at === waiter) return true;
    // `struct callback_head`: next, func.
    at = program.memory.readPointer(at);
  }
  return false;
}

/** Those that have entered less those that have left, of both phases on all CPUs. @throws FaultError, LookupError */
function readersOf(program: Program, domain: VirtAddr): bigint | undefined {
  const data = perCpuData(program, domain, cpus(program, 'possible'));
  if (data === undefined) return undefined;
  // `srcu_ctrs[]` since 6.15, `srcu_lock_count[]` before: plain words, later `atomic_long_t`.
  const member = (i: number, entered: boolean): readonly [string, string] => [
    `srcu_ctrs[${i}].${entered ? 'srcu_locks' : 'srcu_unlocks'}`,
    `srcu_${entered ? 'lock' : 'unlock'}_count[${i}]`,
  ];
  const total = (entered: boolean): bigint => {
    let sum = 0n;
    for (const at of data)
      for (const i of [0, 1]) {
        const place = program.firstField('struct srcu_data', member(i, entered)).address(at);
        sum += program.memory.readU64(place);
      }
    return sum;
  };
  return BigInt.asIntN(64, total(true) - total(false));
}
