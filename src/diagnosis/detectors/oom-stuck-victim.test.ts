import { describe, expect, it } from 'vitest';
import { findingsOf } from '../../../test/builders/facts.ts';
import { Incident } from '../../../test/builders/incident.ts';
import type { KernelImage } from '../../../test/builders/image.ts';
import { setFree } from '../../../test/builders/memory-counters.ts';
import oomStuckVictim from './oom-stuck-victim.ts';

const MIB = 2 ** 20;
const SKIP = 1n << 21n;

/** java (pid 50) with two threads, chosen by the OOM killer; the thread 52 is in `state`. */
function findings(state: 'D' | 'S' | 'R', change: (image: KernelImage) => void = () => {}) {
  const incident = new Incident();
  const java = incident.task('java', { pid: 50 });
  incident.task('GC', { pid: 51, leader: java });
  incident.task('writer', { pid: 52, leader: java, state });
  incident.task('dd', { pid: 60, state: 'D' });
  const program = incident.program((image) => {
    setFree(image, 10 * MIB);
    image.write('mm50.rss_stat.count[1]', 50_000);
    image.write('signal50.oom_mm', image.address('mm50'));
    change(image);
  });
  return findingsOf(oomStuckVictim, program);
}

describe('oom-stuck-victim', () => {
  it('speaks of a victim one of whose threads sleeps uninterruptibly', () => {
    const [finding, ...more] = findings('D');
    expect(more).toEqual([]);
    expect(finding).toMatchObject({
      cause: 'oom-victim-stuck',
      role: 'cause',
      confidence: 'certain',
      details: { culprit: { pid: 50, comm: 'java' }, sleeping: [{ pid: 52 }], memoryTaken: false },
    });
  });

  it('says that its memory was taken, and is less sure where memory is not short', () => {
    expect(findings('D', (image) => image.write('mm50.flags', SKIP))[0]?.details).toMatchObject({ memoryTaken: true });
    expect(findings('D', (image) => setFree(image, 8 * 1024 * MIB))[0]?.confidence).toBe('probable');
  });

  it('is silent about a victim that can end, and about who sleeps and was not chosen', () => {
    expect(findings('S')).toEqual([]);
    expect(findings('R')).toEqual([]);
    expect(findings('D', (image) => image.write('signal50.oom_mm', 0))).toEqual([]);
    // Damage: the killer notes the victim's own address space.
    expect(findings('D', (image) => image.write('signal50.oom_mm', image.address('mm60')))).toEqual([]);
  });

  it('claims nothing when it cannot be read who was chosen', () => {
    expect(findings('D', (image) => image.write('task50.signal', 0xffff880000000000n))).toEqual([]);
  });
});
