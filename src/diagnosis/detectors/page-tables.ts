/**
 * Page tables hold a large part of memory: many processes map one large memory with small pages, each with tables of its
 * own for all of it; or one maps very much and touches it here and there. What many small processes have is no finding of
 * this kind: those are too many processes.
 */
import { hex } from '../../base/address.ts';
import { memoryShort } from '../../model/condition.ts';
import { defineDetector } from '../../model/diagnosis.ts';
import type { Evidence, Finding, Remedy } from '../../model/finding.ts';
import { byteCount, name, plural, prose, ratio, task as taskValue } from '../../model/value.ts';
import type { Task } from '../../kernel/sched.ts';
import { memoryFact, type MemoryState, memoryText } from '../facts/memory.ts';
import { type PageTableOwners, pageTableOwnersFact, type PageTables } from '../facts/page-table-owners.ts';
import { PAGE_TABLE_BASE, PAGE_TABLE_SHARE } from '../facts/thresholds.ts';
import { weigh } from '../facts/tightness.ts';
import { proofLines } from '../facts/proof.ts';

/** Bytes of an entry of a page table. */
const ENTRY = 8;

export default defineDetector({
  id: 'page-tables',
  title: 'Memory in page tables',
  summary:
    'Page tables are counted to no process in RSS: hundreds that map one shared memory can fill a machine with them.',
  needs: { tables: pageTableOwnersFact, memory: memoryFact },
  appliesTo: (program) =>
    program.tryField('struct mm_struct', 'pgd') !== undefined ? true : 'the type of address spaces is not known',
  run({ tables, memory }, program) {
    const { memTotal, pageTables } = memory.info;
    const [largest] = tables.owners;
    if (largest === undefined || memTotal.value === undefined || pageTables.value === undefined) return [];
    const excess = tables.owners.reduce((sum, owner) => sum + owner.excess, 0);
    if (excess < memTotal.value * PAGE_TABLE_SHARE) return [];
    const { pageSize } = program;
    // In bytes since 4.15 (commit af5b0f6a09e4), before in pages.
    const members = ['pgtables_bytes', 'nr_ptes'];
    const member = members.find((each) => program.tryField('struct mm_struct', each) !== undefined);
    const given = { pageSize, show: (task: Task) => tablesCommand(task, member) };
    return [findingOf(largest, tables, { bytes: pageTables.value, total: memTotal.value }, memory, given)];
  },
});

function findingOf(
  owner: PageTableOwners,
  { owners, whole }: PageTables,
  { bytes, total }: { readonly bytes: number; readonly total: number },
  memory: MemoryState,
  { pageSize, show }: { readonly pageSize: number; readonly show: (task: Task) => string },
): Finding {
  const held = prose`${byteCount(bytes)} (${ratio(bytes / total)} of memory)`;
  const who = prose`${plural(owner.processes, 'process', 'processes')} named ${name(owner.comm)}`;
  const least = whole ? '' : 'at least ';
  const evidence: readonly Evidence[] = [
    {
      claim: prose`NR_PAGETABLE counts ${byteCount(bytes)}.`,
      address: undefined,
      ctype: undefined,
      confidence: 'certain',
      show: 'kmem -V',
    },
    ...owners.slice(0, 3).map((each) => ({
      claim: prose`${plural(each.processes, 'process', 'processes')} named ${name(each.comm)}: ${byteCount(each.bytes)} in page tables (mm_struct.pgtables_bytes).`,
      address: each.largest.address,
      ctype: 'struct task_struct',
      confidence: 'certain' as const,
      show: show(each.largest),
    })),
  ];
  return {
    detector: 'page-tables',
    cause: 'page-tables',
    ...weigh(memory, whole ? 'certain' : 'probable', whole ? undefined : ['some address spaces could not be read']),
    title: prose`Page tables hold ${held}: ${least}${byteCount(owner.bytes)} of it are those of ${who}.`,
    weight: bytes / 4096,
    explains: [memoryShort],
    story: [
      {
        topic: 'what',
        text: prose`Page tables hold ${held}, which count in no process's resident size.`,
      },
      {
        topic: 'why',
        text: ['Each process has page tables of its own for what it maps, also for memory that all of them share.'],
      },
      {
        topic: 'holder',
        text: prose`${who}: ${least}${byteCount(owner.bytes)}, in the largest, ${taskValue(owner.largest)}, ${byteCount(owner.largestBytes)}${owner.shared === undefined ? '' : prose` for ${byteCount(owner.shared)} of resident shared memory`}.`,
      },
      ...proofLines(evidence, 2),
      { topic: 'clears', text: ['Only when these processes end, or unmap it.'] },
      { topic: 'memory', text: memoryText(memory) },
    ],
    evidence,
    remedies: [remedyOf(owner, memory, pageSize)],
    details: {
      held: byteCount(bytes),
      share: ratio(bytes / total),
      comm: name(owner.comm),
      processes: owner.processes,
      ofThese: byteCount(owner.bytes),
      largest: taskValue(owner.largest),
      largestBytes: byteCount(owner.largestBytes),
      complete: whole,
      memory: memory.verdict,
    },
  };
}

function tablesCommand({ mm, pid }: Task, member: string | undefined): string {
  return mm === undefined || member === undefined ? `vm ${pid}` : `struct mm_struct.${member} ${hex(mm)}`;
}

/** Huge pages help where what is mapped is there: a mapping that is touched here and there needs a whole one for each place. */
function remedyOf(owner: PageTableOwners, { info }: MemoryState, pageSize: number): Remedy {
  const { comm, largestBytes, bytes, shared } = owner;
  const entries = pageSize / ENTRY;
  const huge = entries * pageSize;
  // A last-level table is one page and covers one huge page.
  const wanted = (Math.max(0, largestBytes - PAGE_TABLE_BASE) / pageSize) * huge;
  const fewer = prose`fewer processes of ${name(comm)} map the shared memory (a pool of connections), or map less in each`;
  if (shared === undefined || wanted > shared + bytes + (info.memAvailable.value ?? 0))
    return {
      action: prose`Let ${fewer}. Huge pages are no way out: they would take up to ${byteCount(wanted)}, which is what the page tables of ${taskValue(owner.largest)} span.`,
      verify: ['the work can be done with fewer.'],
    };
  return {
    action: prose`Map the shared memory of ${name(comm)} with huge pages (one entry for ${byteCount(huge)} in place of ${String(entries)}), or let ${fewer}.`,
    verify: prose`up to ${byteCount(wanted)} can be set aside for huge pages: nobody else gets them.`,
  };
}
