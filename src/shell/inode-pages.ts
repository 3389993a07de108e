/** `files -p`: the pages of an inode that are in the page cache, in the order of their places in the file. */
import { isKernel, parseAddress, type VirtAddr } from '../base/address.ts';
import { attempt, isDataError, UsageError } from '../base/errors.ts';
import { xEntries, xInteger } from '../kernel/xarray.ts';
import type { CommandContext } from '../model/command.ts';
import type { Shape, TextLine } from '../model/shape.ts';
import { address, type Data } from '../model/value.ts';
import { hex16, integer } from './format.ts';
import { frameOf, pageLines } from './kmem-pages.ts';

interface Cached {
  readonly index: bigint;
  /** `struct page *`, or the folio that begins there. */
  readonly page: VirtAddr;
  readonly text: string;
}

/** @throws UsageError when the argument is no address, FaultError, LookupError, ValidationError when there is no inode */
export function inodePages(context: CommandContext, text: string): Shape {
  const { program, problem, budget } = context;
  const inode = parseAddress(text);
  if (inode === undefined || !isKernel(inode)) throw new UsageError(`-p '${text}': must be the address of an inode`);
  const mapping = program.field('struct inode', 'i_mapping').pointer(inode);
  const count = program.field('struct address_space', 'nrpages').number(mapping);
  // `page_tree` until 4.20 (commit b93b016313b3).
  const root = program.firstField('struct address_space', ['i_pages', 'page_tree']).address(mapping);
  const found: Cached[] = [];
  let header: string | undefined;
  try {
    for (const { index, value } of xEntries(program, root)) {
      budget.check();
      // What is in swap, or was thrown out not long ago, leaves an integer.
      if (xInteger(program, value) !== undefined) continue;
      const frame = frameOf(program, value, false);
      const lines = frame === undefined ? undefined : attempt(() => pageLines(program, frame));
      header ??= lines?.[0];
      if (lines === undefined) problem(`the page structure ${hex16(value)} cannot be read`);
      found.push({ index, page: value, text: lines?.[1] ?? `${hex16(value)}  ?` });
    }
  } catch (error) {
    if (!isDataError(error)) throw error;
    problem(`pages of ${hex16(inode)}: ${error.message}`);
  }
  const lines: TextLine[] = [
    [{ text: '     INODE        NRPAGES', style: 'heading' }],
    `${hex16(inode)} ${String(count).padStart(8)}`,
    '',
  ];
  if (header !== undefined) lines.push([{ text: header, style: 'heading' }]);
  lines.push(...found.map((each) => each.text));
  return {
    shape: 'lines',
    lines,
    data: (): Data => ({
      inode: address(inode),
      mapping: address(mapping),
      pages: count,
      cached: found.map(({ index, page }) => ({ index: integer(index), page: address(page) })),
    }),
  };
}
