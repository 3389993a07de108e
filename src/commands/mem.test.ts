import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import { MemmapImage } from '../../test/builders/memmap.ts';
import mem from './mem.ts';

const { run, json } = commandRunner([mem]);

/** The numbers of a row, by the words that it begins with. */
function pagesOf(lines: readonly string[], label: string): number {
  const line = lines.find((each) => each.trim().startsWith(label));
  return Number(/^.{58} *(\d+) /.exec(`${line} `)?.[1]);
}

test('every page in one line', () => {
  const { lines, problems } = run('mem');
  expect(problems).toEqual([]);
  const groups = lines.slice(1).filter((line) => /^[a-z]/.test(line));
  const [total] = groups.splice(groups.findIndex((line) => line.startsWith('all page structures')));
  const pages = groups.map((line) => pagesOf([line], line.slice(0, 8)));
  expect(pages.reduce((sum, count) => sum + count, 0)).toBe(131072);
  expect(total).toContain('131072     512 MiB');
  // Largest first.
  expect(pages).toEqual(pages.toSorted((a, b) => b - a));
  expect(pagesOf(lines, 'anonymous memory')).toBe(13553);
  expect(pagesOf(lines, 'in the buddy allocator')).toBe(48361);
  expect(pagesOf(lines, 'unclassified')).toBeLessThan(0.02 * 130933);
});

test('says in what the counters differ', () => {
  const { text } = run('mem');
  expect(text).toContain('slab, not reclaimable: 2042 pages, counted 2326 (-284, -0.22 % of memory)');
  expect(text).toContain('284 pages of compound pages are unclassified');
  const rows = run('mem -c').lines;
  expect(rows.find((line) => line.startsWith('page tables'))).toMatch(
    /606 +606 +0 +0\.000 +vm_node_stat\[NR_PAGETABLE\]/,
  );
  expect(rows.find((line) => line.startsWith('not accepted'))).toContain('this kernel has no such counter');
});

test('describes what fits no class', () => {
  const { lines } = run('mem');
  expect(lines.find((line) => line.startsWith('Unclassified:'))).toMatch(/ \d+ pages, \d\.\d MiB/);
  for (const what of ['blocks', 'flags', 'references', 'before them', 'contents'])
    expect(lines.some((line) => line.startsWith(`  ${what}`))).toBe(true);
});

test('-a shows all, and no remainder', () => {
  expect(run('mem').text).toMatch(/\d+ more +\d/);
  const { lines, text } = run('mem -a');
  expect(text).not.toMatch(/\d+ more +\d/);
  expect(pagesOf(lines, 'mm_struct')).toBe(36);
});

test('--by', () => {
  const slabs = run('mem --by slab').lines;
  expect(slabs[0]).toContain('IN USE');
  expect(slabs.find((line) => line.endsWith(' mm_struct'))).toMatch(/144 KiB +0\.03 +9 +126 +93 %/);
  expect(run('mem --by caller').lines[1]).toMatch(/2\.5 MiB +0\.49 +161 +kernel stacks of tasks +kernel_clone/);
  expect(run('mem --by filesystem').lines.some((line) => line.endsWith(' tmpfs'))).toBe(true);
  const files = run('mem --by file').lines;
  expect(files[0]).toMatch(/^ *SIZE +% +MAPPED +DIRTY +INODE +TYPE +FILE/);
  expect(files.at(-1)).toMatch(/^\d+ files have 33\.8 MiB of page cache and shared memory/);
  expect(run('mem --by slob').failures).toEqual(['mem: --by slob: did you mean slab?']);
  expect(run('mem foo').failures[0]).toContain('mem takes no arguments');
});

test('--fast: the counters alone, and says so', () => {
  const { lines } = run('mem --fast');
  expect(lines[0]).toContain('By the counters alone');
  expect(lines.some((line) => /^memFree +189 MiB/.test(line))).toBe(true);
});

test('JSON has the same', () => {
  const { data } = json('mem') as { data: { classes: { id: string; pages: number }[]; seen: number } };
  expect(data.classes.reduce((sum, { pages }) => sum + pages, 0)).toBe(data.seen);
  expect(data).toMatchObject({ extent: 'all', memory: 130933 });
});

test('page structures that are missing are told', () => {
  const memory = new MemmapImage('6.12');
  memory.image.states.set(Number(memory.address(64) >> 12n), 'excluded');
  const answer = commandRunner([mem], memory.open()).run('mem');
  expect(pagesOf(answer.lines, 'page structure not in the dump')).toBe(64);
  expect(answer.problems.join('\n')).toContain('64 page structures are not in the dump');
});
