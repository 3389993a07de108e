import { describe, expect, it } from 'vitest';
import { findingsOf } from '../../../test/builders/facts.ts';
import type { KernelImage } from '../../../test/builders/image.ts';
import { Incident } from '../../../test/builders/incident.ts';
import { placeLog } from '../../../test/builders/log.ts';
import { behindMutex, tops } from '../../../test/builders/scenes.ts';
import { storyOf, textOf } from '../../../test/builders/text.ts';
import type { Finding } from '../../model/finding.ts';
import deadLockOwner from './dead-lock-owner.ts';

/** A BUG() that killed a task; those that wait for a mutex stand in a_driver_ioctl. */
const bug = (seconds: number, where = 'a_driver_ioctl', who = 'PID: 174 Comm: mdadm'): readonly string[] => [
  `<1>[  ${seconds}.000000] kernel BUG at drivers/a_driver.c:21!`,
  `<4>[  ${seconds}.000001] CPU: 0 ${who} Not tainted 6.1.0 #1`,
  `<4>[  ${seconds}.000002] RIP: 0010:${where}+0x34/0x40`,
  `<4>[  ${seconds}.000003] ---[ end trace 0000000000000000 ]---`,
];
const SYSRQ = '<6>[  900.000000] sysrq: Trigger a crash';

function told(incident: Incident, lines: readonly string[], damage?: (image: KernelImage) => void): readonly Finding[] {
  const program = incident.program((image) => {
    placeLog(image, lines);
    damage?.(image);
  });
  return findingsOf(deadLockOwner, program);
}

function gone(): [Incident, (image: KernelImage) => void] {
  const incident = new Incident();
  tops(incident, 3, incident.lock('mutex', 'a_lock'));
  return [incident, (image) => image.write('a_lock.owner', 0xffff888099999041n)];
}

/** The lock names the first of its own waiters, which has the memory of whoever died. */
function inherited(): Incident {
  const incident = new Incident();
  const lock = incident.lock('mutex', 'a_lock');
  const [first] = tops(incident, 3, lock);
  if (first === undefined) throw new Error('nobody waits');
  incident.held(lock, first);
  return incident;
}

describe('dead-lock-owner', () => {
  it('tells of an owner whose task_struct is gone', () => {
    const [incident, damage] = gone();
    const [finding, ...others] = told(incident, [...bug(500), SYSRQ], damage);
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      cause: 'lock-owner-died-in-oops',
      role: 'cause',
      confidence: 'probable',
      weight: 3,
      details: { culprit: { pid: 174, comm: { value: 'mdadm' } }, heir: undefined },
    });
    expect(textOf(finding?.title)).toMatch(/^3 tasks wait for .* whose owner mdadm \(pid 174\) died in an oops/);
    expect(finding === undefined ? '' : storyOf(finding, 'why')).toMatch(/500 s after boot in a_driver_ioctl\+0x34/);
  });

  it('takes a younger task in the memory of the dead one for innocent', () => {
    // All tasks were started 100 s after boot.
    const [finding] = told(inherited(), [...bug(50), SYSRQ]);
    expect(finding).toMatchObject({
      cause: 'lock-owner-died-in-oops',
      details: { culprit: { pid: 174 }, heir: { pid: 110 } },
    });
  });

  it('says nothing of an owner that lived before the oops: it may wait for itself', () => {
    expect(told(inherited(), [...bug(500), SYSRQ])).toEqual([]);
  });

  it('tells of one that is a zombie', () => {
    const lines = [...bug(500, 'elsewhere', 'PID: 10 Comm: owner'), SYSRQ];
    expect(told(behindMutex(3, 5, { state: 'Z' }), lines)).toMatchObject([{ details: { culprit: { pid: 10 } } }]);
  });

  it('says nothing where the task of the oops lives', () => {
    expect(told(behindMutex(3, 5, {}), [...bug(500, 'a_driver_ioctl', 'PID: 10 Comm: owner'), SYSRQ])).toEqual([]);
  });

  it('says nothing of an oops elsewhere, nor of the one that stopped the machine', () => {
    const [incident, damage] = gone();
    expect(told(incident, [...bug(500, 'elsewhere'), SYSRQ], damage)).toEqual([]);
    const [other, again] = gone();
    expect(told(other, [...bug(500), '<0>[  500.1] Kernel panic - not syncing: Fatal exception'], again)).toEqual([]);
  });

  it('says nothing without a log, or with an oops that was cut off', () => {
    const [incident, damage] = gone();
    expect(told(incident, [], damage)).toEqual([]);
    const [other, again] = gone();
    expect(told(other, [...bug(500).slice(0, 1), SYSRQ], again)).toEqual([]);
  });
});
