/** Hand-built machines in trouble, of kernels old and new. */
import type { Program } from '../../src/program/program.ts';
import { Incident } from '../../test/builders/incident.ts';
import { placeLog } from '../../test/builders/log.ts';
import { psFaults, tops } from '../../test/builders/scenes.ts';

const LOG = [
  '<6>[    0.000000] Linux version 6.1.0-fuzz',
  '<14>[   10.500000] systemd[1]: started',
  '<3>[  120.000000] INFO: task top:110 blocked for more than 120 seconds.',
  '<0>[  200.000000] Kernel panic - not syncing: sysrq triggered crash',
];

function userfault(): Program {
  const incident = new Incident();
  const ps = psFaults(incident);
  incident.userfault(ps, { descriptors: [[ps, 3]] });
  tops(incident, 6, incident.directory);
  incident.task('writer', { pid: 140, offCpu: 7, waits: [incident.directory, 'write'] });
  placeLog(incident.image, LOG);
  return incident.program();
}

function circle(): Program {
  const incident = new Incident();
  const [a, b] = [
    incident.lock('mutex', 'a_mutex', { global: true }),
    incident.lock('rw_semaphore', 'b_sem', { global: true }),
  ];
  incident.held(a, incident.task('one', { pid: 200, offCpu: 30, waits: [b, 'write'] }));
  incident.held(b, incident.task('two', { pid: 201, offCpu: 30, waits: [a] }));
  tops(incident, 3, a);
  incident.task('down', { pid: 210, offCpu: 9, waits: [incident.lock('semaphore', 'c_sem', { global: true })] });
  return incident.program();
}

function old(): Program {
  const incident = new Incident('3.10');
  const lock = incident.lock('mutex', 'a_mutex', { global: true });
  incident.held(lock, incident.task('owner', { pid: 10, offCpu: 100, tty: 'tty1' }));
  tops(incident, 4, lock, { offCpu: 20 });
  incident.task('ls', { pid: 300, offCpu: 12, waits: [incident.directory] });
  placeLog(incident.image, LOG);
  return incident.program();
}

export const SCENES: { readonly [name: string]: () => Program } = {
  'userfault-6.1': userfault,
  'circle-6.1': circle,
  'mutex-3.10': old,
};
