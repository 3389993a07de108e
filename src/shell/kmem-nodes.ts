/** `kmem -n`: memory nodes, their zones, the sections of the memmap, and the blocks of memory that can be plugged. */
import { add, clearBits, pfn, type VirtAddr, virt } from '../base/address.ts';
import { attempt, isDataError } from '../base/errors.ts';
import { type MemoryBlock, memoryBlocks } from '../kernel/memory-blocks.ts';
import { pageOfFrame } from '../kernel/page.ts';
import { type SectionEntry, sectionEntries } from '../kernel/vmemmap.ts';
import { type MemoryNode, memoryNodes } from '../kernel/zone.ts';
import type { CommandContext } from '../model/command.ts';
import type { Shape } from '../model/shape.ts';
import { address, type Data, name } from '../model/value.ts';
import type { Program } from '../program/program.ts';
import { strip } from '../program/types.ts';
import { hex16 } from './format.ts';

/** Flags in `section_mem_map` by their bit: present, has a memmap, online, since boot (5.3), of a device (5.12). */
const SECTION_LETTERS = ['P', 'M', 'O', 'E', 'D'];
/** Page structures are aligned to more than these. */
const SECTION_FLAGS = 0x3fn;
const MAX_ZONES = 16;

interface NodeZone {
  readonly address: VirtAddr;
  readonly name: string;
  readonly first: number;
  readonly spanned: number;
}

interface NodeView {
  readonly node: MemoryNode;
  readonly first: number;
  readonly spanned: number;
  readonly zones: readonly NodeZone[];
}

export function nodeTable(context: CommandContext): Shape {
  const { program } = context;
  const nodes = memoryNodes(program).map((node) => viewOf(program, node));
  const sections = sectionEntries(program);
  const blocks = readBlocks(context);
  const perBlock = sectionsPerBlock(program, blocks);
  return {
    shape: 'lines',
    lines: [
      ...nodes.flatMap((node) => [...nodeLines(program, node), '']),
      '-'.repeat(67),
      '',
      'NR      SECTION        CODED_MEM_MAP        MEM_MAP       STATE PFN',
      ...sections.map((section) => sectionLine(program, section)),
      ...(blocks.length === 0 ? [] : ['', ...blockLines(program, blocks, perBlock, sections)]),
    ],
    data: () => ({
      nodes: nodes.map(nodeData),
      sections: sections.map((section) => ({
        number: section.first / section.count,
        section: address(section.address),
        firstPage: address(pageOfFrame(program, section.first)),
        state: stateOf(section),
        firstFrame: section.first,
        frames: section.count,
      })),
      blocks: blocks.map((block) => {
        const { start, end } = rangeOf(program, block, perBlock, sections);
        return {
          block: address(block.address),
          name: name(block.name),
          start: `0x${start.toString(16)}`,
          end: `0x${end.toString(16)}`,
          node: block.node,
          state: block.state,
          firstSection: block.section,
        };
      }),
    }),
  };
}

/** All zones that a node has room for, whether or not it has memory of them. */
function viewOf(program: Program, node: MemoryNode): NodeView {
  const data = (path: string) => program.field('struct pglist_data', path);
  const zone = (path: string) => program.field('struct zone', path);
  const array = data('node_zones');
  const bare = strip(array.type);
  const count = bare.kind === 'array' ? Math.min(bare.length, MAX_ZONES) : 0;
  const size = program.sizeOf('struct zone');
  const [label, first, spanned] = [zone('name'), zone('zone_start_pfn'), zone('spanned_pages')];
  return {
    node,
    first: data('node_start_pfn').number(node.address),
    spanned: data('node_spanned_pages').number(node.address),
    zones: Array.from({ length: count }, (_, i): NodeZone => {
      const at = add(array.address(node.address), i * size);
      return {
        address: at,
        name: attempt(() => label.string(at, 64)) ?? '?',
        first: first.number(at),
        spanned: spanned.number(at),
      };
    }),
  };
}

function centred(text: string, width: number): string {
  const left = Math.max(0, Math.floor((width - text.length) / 2));
  return `${' '.repeat(left)}${text}`.padEnd(width);
}

function nodeLines(program: Program, { node, first, spanned, zones }: NodeView): string[] {
  const [zone, ...others] = zones;
  const mapOf = (frame: number, pages: number): bigint =>
    pages === 0 ? 0n : (attempt(() => pageOfFrame(program, pfn(frame))) ?? 0n);
  const physical = (frame: number): string => (BigInt(frame) * BigInt(program.pageSize)).toString(16);
  const map = mapOf(first, spanned);
  return [
    'NODE    SIZE      PGLIST_DATA       BOOTMEM_DATA       NODE_ZONES',
    `${String(node.id).padStart(3)}    ${String(spanned).padEnd(6)}   ${hex16(node.address)}        ----        ${
      zone === undefined ? '' : hex16(zone.address)
    }`,
    ...others.map((each) => `${' '.repeat(52)}${hex16(each.address)}`),
    '    MEM_MAP          START_PADDR    START_MAPNR',
    `${map === 0n ? centred('0', 16) : hex16(map)}  ${centred(physical(first), 16)}  ${centred(String(first), 11)}`.trimEnd(),
    '',
    'ZONE  NAME         SIZE       MEM_MAP      START_PADDR  START_MAPNR',
    ...zones.map((each, i) => {
      const start = each.spanned === 0 ? 0 : each.first;
      const own = mapOf(start, each.spanned);
      return [
        `${String(i).padStart(3)}   ${each.name.padEnd(9)}${String(each.spanned).padStart(8)}`,
        own === 0n ? '0'.padStart(16) : hex16(own),
        physical(start).padStart(11),
        String(start).padStart(11),
      ].join('  ');
    }),
  ];
}

function stateOf({ map }: SectionEntry): string {
  return SECTION_LETTERS.filter((_, bit) => ((map >> BigInt(bit)) & 1n) === 1n).join('');
}

function sectionLine(program: Program, section: SectionEntry): string {
  const number = section.first / section.count;
  return [
    String(number).padStart(2),
    hex16(section.address),
    hex16(clearBits(virt(section.map), SECTION_FLAGS)),
    hex16(attempt(() => pageOfFrame(program, section.first)) ?? 0n),
    stateOf(section).padEnd(4),
    String(section.first),
  ].join('  ');
}

function readBlocks(context: CommandContext): readonly MemoryBlock[] {
  if (context.program.types.tryFind('struct memory_block') === undefined) return [];
  try {
    const { blocks, problem } = memoryBlocks(context.program);
    if (problem !== undefined) context.problem(`blocks of memory: ${problem}`);
    return blocks;
  } catch (error) {
    if (!isDataError(error)) throw error;
    context.problem(`blocks of memory: ${error.message}`);
    return [];
  }
}

/** `sections_per_block`; what lies between two blocks where it cannot be read. */
function sectionsPerBlock(program: Program, blocks: readonly MemoryBlock[]): number {
  const symbol = program.trySymbol('sections_per_block');
  const told = symbol === undefined ? undefined : attempt(() => program.memory.readU32(symbol.address));
  if (told !== undefined && told > 0) return told;
  const [first, second] = blocks;
  return first === undefined || second === undefined ? 1 : second.section - first.section;
}

function rangeOf(
  program: Program,
  block: MemoryBlock,
  perBlock: number,
  sections: readonly SectionEntry[],
): { readonly start: bigint; readonly end: bigint } {
  const bytes = BigInt(sections[0]?.count ?? 0) * BigInt(program.pageSize);
  const start = BigInt(block.section) * bytes;
  return { start, end: start + BigInt(perBlock) * bytes - 1n };
}

function blockLines(
  program: Program,
  blocks: readonly MemoryBlock[],
  perBlock: number,
  sections: readonly SectionEntry[],
): string[] {
  const hex = (value: bigint): string => value.toString(16).padStart(8);
  return [
    '   MEM_BLOCK        NAME        PHYSICAL RANGE     NODE  STATE   START_SECTION_NO',
    ...blocks.map((block) => {
      const { start, end } = rangeOf(program, block, perBlock, sections);
      const node = block.node === undefined ? '?' : String(block.node);
      return (
        ` ${hex16(block.address)}   ${block.name.padEnd(10)} ${hex(start)} - ${hex(end)}  ` +
        `${node.padEnd(3)}  ${(block.state ?? 'UNKNOWN').padEnd(7)} ${block.section}`
      );
    }),
  ];
}

function nodeData({ node, first, spanned, zones }: NodeView): Data {
  return {
    node: node.id,
    address: address(node.address),
    firstFrame: first,
    spanned,
    zones: zones.map((each) => ({
      name: name(each.name),
      address: address(each.address),
      firstFrame: each.first,
      spanned: each.spanned,
    })),
  };
}
