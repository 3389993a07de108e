/**
 * The page cache by file: files with the most pages by the page structures, with their names, and who holds those that no
 * listing of a directory shows.
 */
import type { VirtAddr } from '../../base/address.ts';
import { attempt } from '../../base/errors.ts';
import { type CachedFile, cachedFile } from '../../kernel/cached-file.ts';
import { descriptorTables, fileInode } from '../../kernel/files.ts';
import type { MappingPages } from '../../kernel/page-mappings.ts';
import type { Task } from '../../kernel/sched.ts';
import { vmasOf } from '../../kernel/vma.ts';
import type { FactContext } from '../../model/diagnosis.ts';
import { pageLedgerFact } from './page-ledger.ts';
import { tasksFact } from './tasks.ts';

export interface CachedFilePages extends MappingPages {
  /** Undefined when the dump does not have its inode. */
  readonly file: CachedFile | undefined;
  /** Of a file without a name: processes that have it open or mapped, each once. */
  readonly holders: readonly Task[];
}

export interface CachedFiles {
  /** The most pages first. */
  readonly largest: readonly CachedFilePages[];
  /** All that have pages, and their pages. */
  readonly files: number;
  readonly pages: number;
}

/** @param limit - how many files are named */
export function cachedFiles(context: FactContext, limit: number): CachedFiles {
  const { program, use } = context;
  const { largest, files, pages } = use(pageLedgerFact).files(limit);
  const named = largest.map((each) => ({ ...each, file: attempt(() => cachedFile(program, each.mapping)) }));
  const hidden = named.flatMap(({ file }) =>
    file === undefined || file.state === 'named' || file.state === 'block' ? [] : [file.inode],
  );
  const holders = holdersOf(context, new Set(hidden));
  return {
    largest: named.map((each) => ({
      ...each,
      holders: each.file === undefined ? [] : (holders.get(each.file.inode) ?? []),
    })),
    files,
    pages,
  };
}

/** Who has some inodes open or mapped: leaders of processes. */
function holdersOf(
  { program, use, budget }: FactContext,
  inodes: ReadonlySet<VirtAddr>,
): ReadonlyMap<VirtAddr, readonly Task[]> {
  const found = new Map<VirtAddr, Set<Task>>();
  if (inodes.size === 0) return new Map();
  const { tasks, byAddress } = use(tasksFact);
  const own = tasks.filter((task) => !task.kthread && !task.idle);
  const leaderOf = (task: Task): Task => (task.groupLeader && byAddress.get(task.groupLeader)) ?? task;
  const inodeOf = new Map<VirtAddr, VirtAddr | undefined>();
  const note = (file: VirtAddr, holder: Task): void => {
    if (!inodeOf.has(file))
      inodeOf.set(
        file,
        attempt(() => fileInode(program, file)),
      );
    const inode = inodeOf.get(file);
    if (inode === undefined || !inodes.has(inode)) return;
    const holders = found.get(inode);
    if (holders === undefined) found.set(inode, new Set([leaderOf(holder)]));
    else holders.add(leaderOf(holder));
  };
  const { tables } = descriptorTables(
    program,
    own.map((task) => task.address),
  );
  for (const table of tables) {
    budget.check();
    const [first] = table.tasks;
    const holder = first === undefined ? undefined : byAddress.get(first);
    if (holder !== undefined) for (const { file } of table.descriptors) note(file, holder);
  }
  const seen = new Set<VirtAddr>();
  for (const task of own) {
    const { mm } = task;
    if (mm === undefined || seen.has(mm)) continue;
    seen.add(mm);
    budget.check();
    for (const { file } of attempt(() => vmasOf(program, mm))?.vmas ?? []) if (file !== undefined) note(file, task);
  }
  return new Map([...found].map(([inode, holders]) => [inode, [...holders].sort((a, b) => a.pid - b.pid)]));
}
