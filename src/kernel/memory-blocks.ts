/**
 * Blocks of memory that can be plugged, drivers/base/memory.c: `struct memory_block` of each device on the bus
 * `memory_subsys`, as /sys/devices/system/memory shows them. Nothing without CONFIG_MEMORY_HOTPLUG.
 */
import { isKernel, type VirtAddr } from '../base/address.ts';
import { isDataError, ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { listNodes } from './list.ts';

/** A machine of 64 TiB has 2^19 of the smallest; lists of buses and classes are short. */
const MAX_BLOCKS = 1 << 20;
const MAX_SUBSYSTEMS = 1 << 12;

/** include/linux/memory.h: bits where they are macros, numbers in that order in `enum memory_block_state` (since 6.18). */
const STATES = ['ONLINE', 'GOING_OFFLINE', 'OFFLINE', 'GOING_ONLINE', 'CANCEL_ONLINE', 'CANCEL_OFFLINE'];

export interface MemoryBlock {
  /** `struct memory_block *`. */
  readonly address: VirtAddr;
  /** 'memory0'. */
  readonly name: string;
  /** Number of the first `struct mem_section` in it. */
  readonly section: number;
  /** 'ONLINE', 'OFFLINE'; undefined for a state that is not known. */
  readonly state: string | undefined;
  /** Memory node; undefined where blocks do not have it (until 4.20). */
  readonly node: number | undefined;
}

export interface MemoryBlocks {
  readonly blocks: readonly MemoryBlock[];
  /** Why there are not all of them; undefined when there are. */
  readonly problem: string | undefined;
}

/**
 * All blocks (`struct memory_block`), in the order of their sections; those that were found where the list breaks off.
 * @throws LookupError
 */
export function memoryBlocks(program: Program): MemoryBlocks {
  const found: MemoryBlock[] = [];
  let problem: string | undefined;
  try {
    for (const block of listed(program)) found.push(block);
  } catch (error) {
    if (!isDataError(error)) throw error;
    problem = `after ${found.length}: ${error.message}`;
  }
  return { blocks: found.sort((a, b) => a.section - b.section), problem };
}

function* listed(program: Program): Generator<MemoryBlock> {
  const field = (path: string) => program.field('struct memory_block', path);
  const [device, section, state] = [field('dev'), field('start_section_nr'), field('state')];
  const name = program.field('struct device', 'kobj.name');
  const node = program.tryField('struct memory_block', 'nid');
  const link = program.field('struct device_private', 'knode_bus.n_node');
  const owner = program.field('struct device_private', 'device');
  const list = program.field('struct subsys_private', 'klist_devices.k_list');
  const nameOf = stateNames(program);
  const bus = subsystemOf(program, program.symbol('memory_subsys').address);
  for (const at of listNodes(program, list.address(bus), MAX_BLOCKS)) {
    const own = owner.pointer(link.container(at));
    const address = device.container(own);
    yield {
      address,
      name: name.string(own, 64) ?? '',
      section: section.number(address),
      state: nameOf(state.number(address)),
      node: node?.number(address),
    };
  }
}

/** Debian's 6.12 has the enum, too, where MEM_ONLINE is 0. */
function stateNames(program: Program): (state: number) => string | undefined {
  return (state) =>
    STATES.find((name, bit) => {
      const value = program.enumerator(`MEM_${name}`);
      return value === undefined ? state === 1 << bit : BigInt(state) === value;
    });
}

/** `struct subsys_private *` of a `struct bus_type *`. */
function subsystemOf(program: Program, bus: VirtAddr): VirtAddr {
  const own = program.tryField('struct bus_type', 'p');
  if (own !== undefined) return own.pointer(bus);
  // Since 6.4 (commit d2bf38c088e0) it is found among those of bus_kset.
  const kset = program.memory.readPointer(program.symbol('bus_kset').address);
  const owner = program.field('struct subsys_private', 'bus');
  const entry = program.field('struct subsys_private', 'subsys.kobj.entry');
  for (const node of listNodes(program, program.field('struct kset', 'list').address(kset), MAX_SUBSYSTEMS)) {
    const at = entry.container(node);
    if (isKernel(at) && owner.pointer(at) === bus) return at;
  }
  throw new ValidationError('struct bus_type', bus, 'is not among the registered ones');
}
