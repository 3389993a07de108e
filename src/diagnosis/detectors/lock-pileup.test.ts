import { describe, expect, it } from 'vitest';
import { findingsOf } from '../../../test/builders/facts.ts';
import { ref } from '../../../test/builders/image.ts';
import { getdentsInFault, Incident } from '../../../test/builders/incident.ts';
import lockPileup from './lock-pileup.ts';

describe('lock-pileup', () => {
  it('says that ps can never go on when it alone could answer its own page fault', () => {
    const incident = new Incident();
    const { directory } = incident;
    const filldir = { func: 'filldir64', keeps: [ref(directory.label)] };
    const ps = incident.task('ps', { pid: 96, offCpu: 8.4, stack: getdentsInFault(['handle_userfault'], filldir) });
    incident.held(directory, ps, 'read');
    incident.userfault(ps, { descriptors: [[ps, 3]] });
    incident.task('crond-log', { pid: 101, offCpu: 7.4, waits: [directory, 'write'] });
    expect(findingsOf(lockPileup, incident.program())).toMatchObject([
      { cause: 'lock-holder-stuck-in-own-userfaultfd', role: 'cause', confidence: 'certain', weight: 1 },
    ]);
  });
});
