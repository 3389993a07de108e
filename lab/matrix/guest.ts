/**
 * The guest of the matrix: that of an incident, which after QEMU's dumps without VMCOREINFO waits for a word on its second
 * serial port, loads qemu_fw_cfg (which gives QEMU the note), waits for another, and crashes. So one run gives every
 * dump that can be taken, of the same incident.
 */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { buildGuest, type Guest } from '../guest.ts';
import type { Incident } from '../incidents.ts';
import { type Kernel, moduleFiles } from '../kernels.ts';
import { LabError, run } from '../run.ts';
import { tool } from '../tools.ts';

const ORACLE = '/bin/oracle "$(drive 2)" "$HOW" "$PATIENCE" &';
const STAGES = `/bin/oracle "$(drive 2)" live "$PATIENCE" &
(
  read word < /dev/ttyS1
  for module in /late/*.ko; do insmod "$module"; done
  tell '{"late":"loaded"}'
  read word < /dev/ttyS1
  echo c > /proc/sysrq-trigger
) &`;

/** @throws LabError when the guest's init is not what it was when this was written */
export function buildMatrixGuest(
  kernel: Kernel,
  incident: Incident,
  parameters: Readonly<Record<string, string>>,
  work: string,
): Guest {
  const guest = buildGuest(kernel, incident, 'sysrq', parameters, work);
  const root = join(work, 'root');
  const init = readFileSync(join(root, 'init'), 'utf8');
  if (!init.includes(ORACLE))
    throw new LabError('the init of the guest starts the oracle in another way than expected');
  writeFileSync(
    join(root, 'init'),
    init.replace(ORACLE, () => STAGES),
  );
  mkdirSync(join(root, 'late'));
  for (const file of moduleFiles(kernel, 'qemu_fw_cfg')) {
    const target = join(root, 'late', basename(file));
    copyFileSync(file, target);
    if (target.endsWith('.xz')) run(tool('xz'), ['-d', target]);
  }
  rmSync(guest.initrd);
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' });
  const options = ['-o', '-H', 'newc', '--quiet', '-R', '0:0', '-O', guest.initrd];
  run(tool('cpio'), options, { cwd: root, input: `${names.join('\n')}\n` });
  return guest;
}

/** Modules of a kernel that load on any machine, not more than `count` files with what they need. */
export function manyModules(kernel: Kernel, count: number): string[] {
  const list = readFileSync(join(kernel.modules, 'modules.dep'), 'utf8');
  const names = [...list.matchAll(/^(?:\S*\/)?kernel\/(?:net\/netfilter|net\/sched|lib|crypto)\/([\w-]+)\.ko\S*:/gm)]
    .map(([, name = '']) => name)
    .sort();
  const chosen: string[] = [];
  const files = new Set<string>();
  for (const name of names) {
    const needed = moduleFiles(kernel, name);
    if (files.size + needed.filter((file) => !files.has(file)).length > count) continue;
    for (const file of needed) files.add(file);
    chosen.push(name);
  }
  return chosen;
}
