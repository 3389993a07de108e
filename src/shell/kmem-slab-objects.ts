/**
 * `kmem -S`: the slabs of caches with their objects, by CPU and node; and the slab and object that hold an address, for
 * `kmem -s ADDRESS` and `kmem ADDRESS`. An object in a slab that no CPU has is free when it is on that slab's list.
 */
import { add, parseAddress, type VirtAddr } from '../base/address.ts';
import { attempt, isDataError } from '../base/errors.ts';
import {
  cpuSlabs,
  nodeSlabs,
  type SlabContents,
  type SlabList,
  type SlabPart,
  slabReader,
} from '../kernel/slab-lists.ts';
import type { ReadyWhere } from '../kernel/slub-cpu.ts';
import { addressOfFrame, pageOfFrame } from '../kernel/page.ts';
import { layoutOf, slabOfPage } from '../kernel/slab.ts';
import { cpus } from '../kernel/cpus.ts';
import type { CommandContext } from '../model/command.ts';
import type { Shape } from '../model/shape.ts';
import { address, type Data } from '../model/value.ts';
import { parseCpus } from './arguments.ts';
import { hex16 } from './format.ts';
import { frameOfArgument, offsetOfArgument } from './kmem-pages.ts';
import { slabSummary, wantedCaches } from './kmem-slabs.ts';

const SLAB_HEADER = '  SLAB              MEMORY            NODE  TOTAL  ALLOCATED  FREE';
const OBJECT_HEADER = '  FREE / [ALLOCATED]';
const NODE_HEADER = 'KMEM_CACHE_NODE   NODE  SLABS  PARTIAL  PER-CPU';

/**
 * @param wanted - names or addresses of caches; all when there are none
 * @param list - the CPUs whose slabs are shown with objects; all when it is undefined
 */
export function slabObjects(
  context: CommandContext,
  wanted: readonly string[],
  ignored: readonly string[],
  list: string | undefined,
): Shape {
  const online = cpus(context.program, 'online');
  const shownCpus = list === undefined || list === '' ? online : parseCpus(list, online);
  const caches = wantedCaches(context, wanted, ignored);
  const summary = slabSummary(context);
  function* lines(): Generator<string> {
    let first = true;
    for (const [cache, called] of caches) {
      context.budget.check();
      if (!first) yield '';
      first = false;
      yield* summary.lines(cache, called);
      yield* guarded(context, called, () => cacheLines(context, cache, called, shownCpus));
    }
  }
  return {
    shape: 'lines',
    lines: lines(),
    data: () =>
      [...caches].map(([cache, called]) => {
        context.budget.check();
        return { ...summary.data(cache, called), ...cacheData(context, cache, called, shownCpus) };
      }),
  };
}

/** What can be read of a cache; the rest as a problem. */
function* guarded(context: CommandContext, called: string, lines: () => Iterable<string>): Generator<string> {
  try {
    yield* lines();
  } catch (error) {
    if (!isDataError(error)) throw error;
    context.problem(`${called}: ${error.message}`);
  }
}

function* cacheLines(
  context: CommandContext,
  cache: VirtAddr,
  called: string,
  shownCpus: readonly number[],
): Generator<string> {
  const { program } = context;
  const { contents, ready } = contentsOf(context, cache, called);
  const told = (list: SlabList, where: string): readonly VirtAddr[] => {
    if (list.problem !== undefined) context.problem(`${called}: ${where}: ${list.problem}`);
    return list.slabs;
  };
  const nodes = nodeSlabs(program, cache);
  const own = new Map<number, number>();
  for (const { cpu, address: at, own: slab, partial } of cpuSlabs(program, cache)) {
    if (!shownCpus.includes(cpu)) continue;
    const node = slab === undefined ? undefined : contents(slab)?.node;
    if (slab !== undefined) own.set(node ?? -1, (own.get(node ?? -1) ?? 0) + 1);
    yield `CPU ${cpu} KMEM_CACHE_CPU:`;
    yield `  ${hex16(at)}`;
    yield `CPU ${cpu} SLAB:`;
    if (slab === undefined) yield '  (empty)';
    else yield* slabLines(slab, contents(slab));
    yield `CPU ${cpu} PARTIAL:`;
    const kept = told(partial, `partial slabs of CPU ${cpu}`);
    if (kept.length === 0) yield '  (empty)';
    for (const each of kept) yield* slabLines(each, contents(each));
  }
  for (const cpu of shownCpus) {
    const kept = inSheaves(ready, cpu);
    if (kept.length === 0) continue;
    yield `CPU ${cpu} SHEAVES:`;
    for (const each of kept) yield `   ${hex16(each)}`;
  }
  for (const { node, address: at, slabs, counted, partial, full } of nodes) {
    context.budget.check();
    yield NODE_HEADER;
    yield [
      hex16(at),
      String(node).padStart(6),
      (slabs === undefined ? '?' : String(slabs)).padStart(7),
      String(counted).padStart(9),
      String(own.get(node) ?? 0).padStart(9),
    ].join('');
    yield `NODE ${node} PARTIAL:`;
    yield* nodeList(told(partial, `partial slabs of node ${node}`), contents);
    yield `NODE ${node} FULL:`;
    if (full === undefined) yield '  (not tracked)';
    else yield* nodeList(told(full, `full slabs of node ${node}`), contents);
  }
}

/** Objects in the sheaves of a CPU, which has no slab of its own since 7.0. */
function inSheaves(ready: ReadonlyMap<VirtAddr, ReadyWhere>, cpu: number): readonly VirtAddr[] {
  return [...ready].flatMap(([at, where]) => ('cpu' in where && where.sheaf && where.cpu === cpu ? [at] : []));
}

/** Reads slabs, each once; undefined with a problem noted for one that cannot be read. */
function contentsOf(
  context: CommandContext,
  cache: VirtAddr,
  called: string,
): {
  readonly contents: (slab: VirtAddr) => SlabContents | undefined;
  readonly ready: ReadonlyMap<VirtAddr, ReadyWhere>;
} {
  const { read, ready, problems } = slabReader(context.program, cache);
  const noted = new Set<string>();
  const note = (problem: string): void => {
    if (!noted.has(problem)) context.problem(`${called}: ${problem}`);
    noted.add(problem);
  };
  if (problems.length > 0) note(problems.join('; '));
  const contents = (slab: VirtAddr): SlabContents | undefined => {
    try {
      const found = read(slab);
      if (found.problem !== undefined) note(`slab ${hex16(slab)}: ${found.problem}`);
      return found;
    } catch (error) {
      if (!isDataError(error)) throw error;
      note(`slab ${hex16(slab)}: ${error.message}`);
      return undefined;
    }
  };
  return { contents, ready };
}

function slabLine(slab: VirtAddr, contents: SlabContents | undefined): string {
  if (contents === undefined) return `  ${hex16(slab)}  (unreadable)`;
  const { memory, node, total, allocated } = contents;
  const count = (value: number | undefined, width: number): string =>
    (value === undefined ? '?' : String(value)).padStart(width);
  return `  ${hex16(slab)}  ${hex16(memory)}${count(node, 6)}${count(total, 7)}${count(allocated, 11)}${count(total - allocated, 6)}`;
}

/** `[address]` of an object in use; of a free one the address, and who keeps it ready. */
function objectLine({ address: at, state }: SlabPart): string {
  if (state === 'used') return `  [${hex16(at)}]`;
  if (state === 'free') return `   ${hex16(at)}`;
  const where = 'node' in state ? `node ${state.node} sheaf` : `cpu ${state.cpu} ${state.sheaf ? 'sheaf' : 'cache'}`;
  return `   ${hex16(at)}  (${where})`;
}

function* slabLines(slab: VirtAddr, contents: SlabContents | undefined): Generator<string> {
  yield SLAB_HEADER;
  yield slabLine(slab, contents);
  if (contents === undefined) return;
  yield OBJECT_HEADER;
  for (const object of contents.objects) yield objectLine(object);
}

function* nodeList(
  slabs: readonly VirtAddr[],
  contents: (slab: VirtAddr) => SlabContents | undefined,
): Generator<string> {
  if (slabs.length === 0) {
    yield '  (empty)';
    return;
  }
  yield SLAB_HEADER;
  for (const slab of slabs) yield slabLine(slab, contents(slab));
}

function contentsData(slab: VirtAddr, contents: SlabContents | undefined, objects: boolean): Data {
  if (contents === undefined) return { slab: address(slab) };
  const { memory, node, total, allocated } = contents;
  return {
    slab: address(slab),
    memory: address(memory),
    node,
    total,
    allocated,
    ...(objects
      ? {
          objects: contents.objects.map(({ address: at, state }) => ({
            address: address(at),
            ...(typeof state === 'string' ? { state } : { state: 'ready', ...state }),
          })),
        }
      : {}),
  };
}

function cacheData(
  context: CommandContext,
  cache: VirtAddr,
  called: string,
  shownCpus: readonly number[],
): { readonly [key: string]: Data } {
  const found = attempt(() => {
    const { contents, ready } = contentsOf(context, cache, called);
    const data = (slab: VirtAddr, objects: boolean): Data => contentsData(slab, contents(slab), objects);
    return {
      cpus: cpuSlabs(context.program, cache)
        .filter(({ cpu }) => shownCpus.includes(cpu))
        .map(({ cpu, own, partial }) => ({
          cpu,
          slab: own === undefined ? undefined : data(own, true),
          partial: partial.slabs.map((slab) => data(slab, true)),
        })),
      sheaves: shownCpus
        .map((cpu) => ({ cpu, objects: inSheaves(ready, cpu).map((at) => address(at)) }))
        .filter(({ objects }) => objects.length > 0),
      nodes: nodeSlabs(context.program, cache).map(({ node, slabs, partial, full }) => ({
        node,
        slabs,
        partial: partial.slabs.map((slab) => data(slab, false)),
        full: full?.slabs.map((slab) => data(slab, false)),
      })),
    };
  });
  if (found === undefined) context.problem(`${called}: its slabs cannot be read`);
  return found ?? {};
}

/** Of an address in a slab: its cache, its slab, its object. */
export interface SlabPlace {
  readonly lines: readonly string[];
  readonly data: Data;
}

/**
 * @param wanted - what `frameOfArgument` takes
 * @param whole - all objects of the slab, and not only the one at the address; so it is for a page structure, too
 * @returns undefined for an address that is in no slab
 * @throws FaultError, LookupError, ValidationError, UsageError
 */
export function slabPlace(
  context: CommandContext,
  wanted: string,
  { whole = false, physical = false }: { readonly whole?: boolean; readonly physical?: boolean } = {},
): SlabPlace | undefined {
  const { program } = context;
  const at = parseAddress(wanted);
  const frame = frameOfArgument(program, wanted, physical);
  const page = pageOfFrame(program, frame);
  const place = slabOfPage(program, page);
  if (place === undefined) return undefined;
  const { cache, cacheName, slab } = place;
  const { size } = layoutOf(program, cache);
  const object = add(addressOfFrame(program, frame), offsetOfArgument(program, wanted, physical));
  const isIn = ({ address: start }: SlabPart): boolean => object >= start && object < start + BigInt(size);
  const contents = contentsOf(context, cache, cacheName).contents(slab);
  const chosen =
    contents === undefined || whole || at === page ? contents : { ...contents, objects: contents.objects.filter(isIn) };
  const summary = slabSummary(context);
  return {
    lines: [...summary.lines(cache, cacheName), ...slabLines(slab, chosen)],
    data: { ...summary.data(cache, cacheName), slab: contentsData(slab, chosen, true) },
  };
}
