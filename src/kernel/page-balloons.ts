/**
 * Pages in a balloon, by whose they are: PageOffline pages name their `struct balloon_dev_info` in `page.private`
 * (balloon_page_insert() of include/linux/balloon_compaction.h, since 3.18 with CONFIG_BALLOON_COMPACTION). The driver is
 * told by the function that moves pages for it. Not told apart from memory taken offline: balloons that do without
 * (Hyper-V, Xen, kernels without compaction).
 */
import { isAligned, isKernel, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { codeOf } from './page-class.ts';
import { PointerTable } from './pointer-table.ts';

export interface Balloon {
  /** `struct balloon_dev_info *`. */
  readonly device: VirtAddr;
  /** 'virtio_balloon'; '' when it cannot be told. */
  readonly driver: string;
  /** Pages that name it. */
  readonly pages: number;
}

const BALLOON = codeOf('balloon');
const OFFLINE = codeOf('offline');

export class PageBalloons {
  readonly #program: Program;
  readonly #table = new PointerTable();
  readonly #isBalloon: boolean[] = [];
  readonly #pages: number[] = [];

  constructor(program: Program) {
    this.#program = program;
  }

  /** Counts a PageOffline page by the halves of its `private` and gives the code of its class. For hot loops. */
  count(low: number, high: number): number {
    if (low === 0 && high === 0) return OFFLINE;
    const found = this.#table.number(low, high);
    const number = found >= 0 ? found : -1 - found;
    if (found < 0) {
      this.#isBalloon.push(attempt(() => isBalloon(this.#program, this.#table.pointer(number))) ?? false);
      this.#pages.push(0);
    }
    if (this.#isBalloon[number] !== true) return OFFLINE;
    this.#pages[number] = (this.#pages[number] ?? 0) + 1;
    return BALLOON;
  }

  /** All balloons, the most pages first. */
  balloons(): readonly Balloon[] {
    return this.#pages
      .flatMap((pages, number): Balloon[] => {
        const device = this.#table.pointer(number);
        return pages === 0 ? [] : [{ device, driver: driverOf(this.#program, device), pages }];
      })
      .sort((a, b) => b.pages - a.pages);
  }
}

/**
 * Its list of pages has some, linked both ways as far as their page structures are in the dump.
 * @throws FaultError, LookupError
 */
function isBalloon(program: Program, device: VirtAddr): boolean {
  if (!isKernel(device) || !isAligned(device, 8)) return false;
  const pages = program.field('struct balloon_dev_info', 'pages');
  const head = pages.address(device);
  const next = program.field('struct list_head', 'next');
  const prev = program.field('struct list_head', 'prev');
  const [first, last] = [next.pointer(head), prev.pointer(head)];
  if (!isKernel(first) || !isKernel(last) || first === head || last === head) return false;
  const back = attempt(() => prev.pointer(first)) ?? head;
  const forth = attempt(() => next.pointer(last)) ?? head;
  return back === head && forth === head;
}

/** `migratepage()` is the driver's own: virtballoon_migratepage() of virtio_balloon. */
function driverOf(program: Program, device: VirtAddr): string {
  const field = program.tryField('struct balloon_dev_info', 'migratepage');
  const symbol = field && attempt(() => program.symbols.at(field.pointer(device)));
  return symbol?.module ?? (symbol?.name.startsWith('virtballoon') === true ? 'virtio_balloon' : '');
}
