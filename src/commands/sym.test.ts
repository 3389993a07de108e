/** The lines are crash 9.0.2's on the full dump that the sample was made of. */
import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import sym from './sym.ts';

const { run, json } = commandRunner([sym]);

test.each([
  ['sym jiffies', ['ffffffff9b2079c0 (D) jiffies']],
  ['sym ffffffff99b67fa5', ['ffffffff99b67fa5 (t) filldir64+149']],
  ['sym jiffies+4', ['ffffffff9b2079c4 (D) jiffies+4']],
  ['sym -p jiffies', ['ffffffff9b207980 (D) mod_tree', 'ffffffff9b2079c0 (D) jiffies']],
  ['sym -n jiffies', ['ffffffff9b2079c0 (D) jiffies', 'ffffffff9b207a00 (D) jiffies_seq']],
])('%s', (line, lines) => {
  expect(run(line).lines).toEqual(lines);
});

test('parts of names, all symbols', () => {
  expect(run('sym -q mutex_lock_io').lines).toContain('ffffffff9a213880 (T) mutex_lock_io');
  expect(run('sym -l').lines.length).toBeGreaterThan(80_000);
});

test('what there is not names what there is', () => {
  expect(run('sym jiffiess').failures).toEqual(["no symbol 'jiffiess'; did you mean jiffies?"]);
  expect(run('sym -m nosuch').failures[0]).toContain("no module 'nosuch'; there are: ");
  expect(run('sym').failures[0]).toContain('which symbol?');
});

test('JSON', () => {
  expect(json('sym jiffies')).toMatchObject({
    rows: [{ address: '0xffffffff9b2079c0', type: 'D', name: { symbol: 'jiffies', offset: 0 } }],
  });
});

test('a module between its boundaries', () => {
  const { lines } = run('sym -m qemu_fw_cfg');
  expect(lines.slice(0, 2)).toEqual([
    'ffffffffc037c000 MODULE START: qemu_fw_cfg',
    'ffffffffc037c000 (t) fw_cfg_sysfs_attr_show',
  ]);
  expect(lines.at(-1)).toBe('ffffffffc0381000 MODULE END: qemu_fw_cfg');
  expect(run('sym -M').lines).toEqual(lines);
});
