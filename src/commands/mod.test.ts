/** The lines are crash 9.0.2's on the full dump that the sample was made of, but for the last column. */
import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import mod from './mod.ts';

const { run, json } = commandRunner([mod]);

test('modules with base and size', () => {
  expect(run('mod')).toMatchObject({
    lines: [
      '     MODULE       NAME               BASE         SIZE  OBJECT FILE',
      'ffffffffc037f2c0  qemu_fw_cfg  ffffffffc037c000  20480  (symbols in the dump)',
    ],
    problems: [],
    failures: [],
  });
  expect(json('mod')).toMatchObject({ rows: [{ name: 'qemu_fw_cfg', size: 20480 }] });
});

test('none of them taints the kernel; one that is not there is told', () => {
  expect(run('mod -t').lines).toEqual(['no tainted modules']);
  expect(run('mod qemu').failures).toEqual(["no module is named 'qemu'"]);
});

test('-s and -S: the symbols are there already', () => {
  const { lines } = run('mod');
  expect(run('mod -S').lines).toEqual(lines);
  expect(run('mod -s qemu_fw_cfg').lines).toEqual(lines);
  expect(run('mod -s qemu_fw_cfg /lib/modules/qemu_fw_cfg.ko').lines).toEqual(lines);
  expect(run('mod -s nosuch').failures).toEqual(["no module is named 'nosuch'"]);
});
