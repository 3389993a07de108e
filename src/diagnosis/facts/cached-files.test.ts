import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CoreStore } from '../../../test/builders/core-store.ts';
import { contextOf } from '../../../test/builders/facts.ts';
import { programOf } from '../../program/open.ts';
import { type CachedFiles, cachedFiles } from './cached-files.ts';
import { pageLedgerFact } from './page-ledger.ts';

const folder = join(import.meta.dirname, '../../../test/cores');
const cores = new CoreStore(folder);

interface Manifest {
  readonly counts: { readonly [name: string]: number };
  readonly tasks: readonly { readonly role: string; readonly pid: number }[];
  readonly addresses: readonly { readonly role: string; readonly address: string }[];
}

function look(name: string): { readonly told: Manifest; readonly found: CachedFiles; readonly pages: number } {
  const told = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as Manifest;
  const context = contextOf(programOf(cores.open(name)));
  const ledger = context.use(pageLedgerFact);
  const pages = ledger.fileSystems.reduce((sum, each) => sum + each.pages, 0);
  return { told, found: cachedFiles(context, 100), pages };
}

describe('files that were deleted and are open', () => {
  const { told, found, pages } = look('05-deleted-tmpfs-6.1');
  const deleted = found.largest.filter(({ file }) => file?.state === 'deleted');

  it('have the pages that the guest told, and who holds them', () => {
    expect(deleted.length).toBe(told.counts['deleted files']);
    expect(deleted.reduce((sum, file) => sum + file.pages, 0) * 4096).toBe(told.counts['bytes in deleted files']);
    const culprit = told.tasks.find(({ role }) => role === 'culprit')?.pid;
    for (const { holders } of deleted) expect(holders.map(({ pid }) => pid)).toEqual([culprit]);
  });

  it('have as many pages by the page structures as their inodes count', () => {
    const read = found.largest.flatMap(({ file, pages: own }) => (file === undefined ? [] : [{ file, own }]));
    expect(read.map(({ file }) => file.counted)).toEqual(read.map(({ own }) => own));
    expect(read.length).toBeGreaterThan(6);
  });

  it('are with all others the whole page cache', () => {
    expect(found.files).toBe(found.largest.length);
    expect(found.largest.reduce((sum, file) => sum + file.pages, 0)).toBe(pages);
    expect(found.pages).toBe(pages);
  });
});

it('has every kind of file with the pages that the guest saw by mincore()', () => {
  const { told, found } = look('cached-files-6.1');
  const named = new Map(found.largest.map(({ file, pages }) => [file?.path, { pages, state: file?.state }]));
  const counted = Object.entries(told.counts).map(([name, pages]) => [name.replace('pages of ', ''), pages] as const);
  expect(counted.map(([path]) => [path, named.get(path)?.pages])).toEqual(counted);
  const stateOf = (path: string): string | undefined => named.get(path)?.state;
  expect(['/data/log/syslog', '/run/holes.db', '/own.img'].map(stateOf)).toEqual(['named', 'named', 'named']);
  expect(['/memfd:ring', '/SYSV0000beef', '/dev/zero'].map(stateOf)).toEqual(['nameless', 'nameless', 'nameless']);
  expect(stateOf('/data/log/old')).toBe('deleted');
  expect(found.largest.find(({ file }) => file?.state === 'block')?.file?.path).toMatch(/^nvme0n\d$/);
});

it('names as many as are asked for, the largest', () => {
  const context = contextOf(programOf(cores.open('05-deleted-tmpfs-6.1')));
  const all = cachedFiles(context, 100);
  const some = cachedFiles(context, 2);
  expect(some.largest.map(({ mapping }) => mapping)).toEqual(all.largest.slice(0, 2).map(({ mapping }) => mapping));
  expect(some).toMatchObject({ files: all.files, pages: all.pages });
});
