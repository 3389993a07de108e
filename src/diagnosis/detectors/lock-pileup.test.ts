import { describe, expect, it } from 'vitest';
import { findingsOf, contextOf } from '../../../test/builders/facts.ts';
import { Incident, getdentsInFault } from '../../../test/builders/incident.ts';
import { ref } from '../../../test/builders/image.ts';
import { locksFact } from '../facts/locks.ts';
import { stacksFact } from '../facts/stacks.ts';
import lockPileup from './lock-pileup.ts';

describe('lock-pileup', () => {
  it('applies to every dump that has types', () => {
    const incident = new Incident();
    const { directory } = incident;
    const ps = incident.task('ps', {
      pid: 96,
      offCpu: 8.4,
      stack: getdentsInFault(['handle_userfault', 'do_shmem'], { func: 'filldir64', keeps: [ref(directory.label)] }),
    });
    incident.held(directory, ps, 'read');
    incident.userfault(ps, { descriptors: [[ps, 3]] });
    const crond = incident.task('crond', { pid: 90 });
    incident.task('crond-log', { pid: 101, offCpu: 7.4, waits: [directory, 'write'] });
    incident.tasks(50, 'timeout', (i) => ({ pid: 200 + i, parent: crond }));
    incident.tasks(50, 'top', (i) => ({
      pid: 300 + i,
      offCpu: 6.4 - 0.01 * i,
      parent: { pid: 200 + i, label: `task${200 + i}`, address: 0n as never },
      waits: [directory, 'read'],
    }));
    const program = incident.program();
    const c = contextOf(program);
    console.log(c.use(stacksFact) && c.coverage, c.use(locksFact).locks.length);
    const [f] = findingsOf(lockPileup, program);
    console.dir(f, { depth: 9 });
    expect(f).toBeDefined();
  });
});
