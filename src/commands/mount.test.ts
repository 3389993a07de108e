/** The lines are crash 9.0.2's on the full dump that the sample was made of. */
import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import mount from './mount.ts';

const { run, json } = commandRunner([mount]);
const ALL = [
  '     MOUNT           SUPERBLK     TYPE   DEVNAME   DIRNAME',
  'ffff888996ca9280 ffff88898105a800 rootfs rootfs    /',
  'ffff888981887280 ffff8889818b9800 proc   proc      /proc',
  'ffff888981887640 ffff8889818bc000 sysfs  sys       /sys',
  'ffff888996ca9780 ffff88898105e000 devtmpfs dev     /dev',
  'ffff888981887c80 ffff88899fc69000 tmpfs  t         /data',
];

test('all mounts, and those that a task sees', () => {
  expect(run('mount')).toMatchObject({ lines: ALL, problems: [], failures: [] });
  expect(run('mount -n 96').lines).toEqual(ALL);
  expect(json('mount tmpfs')).toMatchObject({ data: [{ type: 'tmpfs', device: 't', directory: '/data' }] });
});

test('by type, directory, device or address', () => {
  for (const by of ['tmpfs', '/data', 't', 'ffff888981887c80', '0xffff88899fc69000'])
    expect(run(`mount ${by}`).lines).toEqual([ALL[0], ALL[5]]);
  expect(run('mount /home').failures).toEqual(["nothing is mounted as '/home'"]);
});
