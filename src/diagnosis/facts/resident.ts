/**
 * How much memory the programs really have resident, by one walk over the page tables of each: what is theirs alone (USS),
 * their proportional share (PSS), and what all have together, each page once. The sum of RSS counts a page once for each
 * program that maps it; this says how far it is off.
 */
import type { VirtAddr } from '../../base/address.ts';
import { attempt, isDataError } from '../../base/errors.ts';
import { hugePagePools } from '../../kernel/hugetlb.ts';
import { userTables, walkUserMappings } from '../../kernel/user-mappings.ts';
import type { Task } from '../../kernel/sched.ts';
import { vmasOf } from '../../kernel/vma.ts';
import { defineFact } from '../../model/diagnosis.ts';
import type { Program } from '../../program/program.ts';
import { groupReasons } from './reasons.ts';
import { tasksFact } from './tasks.ts';

export interface ResidentProcess {
  /** The leader of the first process that uses the address space. */
  readonly task: Task;
  /** All tasks that use it. */
  readonly users: readonly Task[];
  /** `struct mm_struct *`. */
  readonly mm: VirtAddr;
  /** Bytes mapped; those that nobody else has mapped; each page divided by how often it is mapped. */
  readonly rss: number;
  readonly uss: number;
  readonly pss: number;
  /** Bytes in swap (entries that are no page). */
  readonly swap: number;
  /** Bytes of pages of hugetlb pools that it has mapped: as in the kernel, they are not in the figures above. */
  readonly hugetlb: number;
  /** Page tables that were read, and those that are not in the dump: then RSS is at least so much. */
  readonly tables: number;
  readonly lostTables: number;
}

export interface Resident {
  /** Largest PSS first. */
  readonly processes: readonly ResidentProcess[];
  /** Bytes of all pages that any program has mapped, each once. */
  readonly unique: number;
  /** Bytes of the sum of all RSS. */
  readonly sum: number;
  /** Address spaces whose page tables could not be read at all. */
  readonly unread: number;
}

/** Frames that are counted in one piece: 256 MiB of memory. */
const PIECE = 1 << 16;
const MOST = 0xffff;
/** Pages in the smallest page of a hugetlb pool. */
const SMALLEST_HUGE = 512;

export const residentFact = defineFact<Resident>({
  id: 'resident',
  derive({ program, use, budget, cover }) {
    const spaces = new Map<VirtAddr, Task[]>();
    for (const task of use(tasksFact).tasks) {
      if (task.mm === undefined || task.kthread) continue;
      const users = spaces.get(task.mm);
      if (users === undefined) spaces.set(task.mm, [task]);
      else users.push(task);
    }
    const tables = userTables(program);
    const hasPools = attempt(() => hugePagePools(program))?.some(({ total, free }) => total > free) ?? false;
    const pgd = program.field('struct mm_struct', 'pgd');
    const counts = new FrameCounts();
    const walked: Walked[] = [];
    const problems: string[] = [];
    for (const [mm, users] of spaces) {
      budget.check();
      try {
        const frames = new FrameList();
        const pools = hasPools ? poolMappings(program, mm) : [];
        let hugetlb = 0;
        const {
          lostTables,
          swapped,
          tables: read,
        } = walkUserMappings(program, tables, pgd.pointer(mm), {
          mapped(frame, count, page) {
            if (count >= SMALLEST_HUGE && pools.some(({ start, end }) => page >= start && page < end)) {
              hugetlb += count;
              return;
            }
            frames.add(frame, count);
            for (let i = 0; i < count; i++) counts.add(frame + i);
          },
        });
        walked.push({ mm, users, frames, lostTables, swapped, tables: read, hugetlb });
        if (lostTables > 0) problems.push('page tables are not in the dump');
      } catch (error) {
        if (!isDataError(error)) throw error;
        problems.push(error.message);
      }
    }
    cover({
      what: 'page tables of programs',
      read: walked.filter(({ lostTables }) => lostTables === 0).length,
      total: spaces.size,
      missing: groupReasons(problems),
    });
    const processes = walked.map((space) => measure(space, counts, program.pageSize)).sort((a, b) => b.pss - a.pss);
    return {
      processes,
      unique: counts.distinct * program.pageSize,
      sum: processes.reduce((total, { rss }) => total + rss, 0),
      unread: spaces.size - walked.length,
    };
  },
});

interface Walked {
  readonly mm: VirtAddr;
  readonly users: readonly Task[];
  readonly frames: FrameList;
  readonly tables: number;
  readonly lostTables: number;
  readonly swapped: number;
  readonly hugetlb: number;
}

/** VM_HUGETLB of include/linux/mm.h. */
const VM_HUGETLB = 0x400000n;

/** Page numbers of the addresses where a program has mapped pages of hugetlb pools; none where that cannot be read. */
function poolMappings(program: Program, mm: VirtAddr): readonly { readonly start: number; readonly end: number }[] {
  const vmas = attempt(() => vmasOf(program, mm))?.vmas ?? [];
  const page = (at: VirtAddr): number => Number(at / BigInt(program.pageSize));
  return vmas
    .filter(({ flags }) => (flags & VM_HUGETLB) !== 0n)
    .map(({ start, end }) => ({ start: page(start), end: page(end) }));
}

function measure(space: Walked, counts: FrameCounts, pageSize: number): ResidentProcess {
  let rss = 0;
  let uss = 0;
  let pss = 0;
  space.frames.each((frame, count) => {
    rss += count;
    for (let i = 0; i < count; i++) {
      const mapped = counts.of(frame + i);
      if (mapped === 1) uss++;
      pss += 1 / mapped;
    }
  });
  const { mm, users, tables, lostTables, swapped, hugetlb } = space;
  const [first] = users;
  const task = users.find(({ pid, tgid }) => pid === tgid) ?? first;
  if (task === undefined) throw new RangeError('an address space has a user');
  const size = (pages: number): number => Math.round(pages * pageSize);
  return {
    task,
    users,
    mm,
    rss: size(rss),
    uss: size(uss),
    pss: size(pss),
    swap: swapped * pageSize,
    hugetlb: hugetlb * pageSize,
    tables,
    lostTables,
  };
}

/**
 * How often each frame is mapped: 16 bits each while that is enough, in pieces that are made when one of their frames is
 * named, as a damaged table can name any.
 */
class FrameCounts {
  distinct = 0;
  readonly #pieces = new Map<number, Uint16Array>();
  readonly #more = new Map<number, number>();
  #last: Uint16Array = new Uint16Array(0);
  #lastNumber = -1;

  #piece(frame: number): Uint16Array {
    const number = Math.floor(frame / PIECE);
    if (number === this.#lastNumber) return this.#last;
    let piece = this.#pieces.get(number);
    if (piece === undefined) this.#pieces.set(number, (piece = new Uint16Array(PIECE)));
    this.#last = piece;
    this.#lastNumber = number;
    return piece;
  }

  add(frame: number): void {
    const piece = this.#piece(frame);
    const at = frame % PIECE;
    const known = piece[at] ?? 0;
    if (known === 0) this.distinct++;
    if (known === MOST) this.#more.set(frame, (this.#more.get(frame) ?? MOST) + 1);
    else piece[at] = known + 1;
  }

  of(frame: number): number {
    const known = this.#piece(frame)[frame % PIECE] ?? 0;
    return known === MOST ? (this.#more.get(frame) ?? MOST) : known;
  }
}

/** Frames of one program in the order of their addresses, neighbours joined: most lie side by side. */
class FrameList {
  #runs = new Float64Array(64);
  #used = 0;

  add(frame: number, count: number): void {
    const last = this.#used - 2;
    const start = this.#runs[last];
    const length = this.#runs[last + 1];
    if (last >= 0 && start !== undefined && length !== undefined && start + length === frame) {
      this.#runs[last + 1] = length + count;
      return;
    }
    if (this.#used + 2 > this.#runs.length) {
      const larger = new Float64Array(this.#runs.length * 2);
      larger.set(this.#runs);
      this.#runs = larger;
    }
    this.#runs[this.#used] = frame;
    this.#runs[this.#used + 1] = count;
    this.#used += 2;
  }

  each(visit: (frame: number, count: number) => void): void {
    for (let i = 0; i < this.#used; i += 2) visit(this.#runs[i] ?? 0, this.#runs[i + 1] ?? 0);
  }
}
