import { describe, expect, test } from 'vitest';
import { judge, type JudgedFinding, type JudgedReport, type Verdict, worst } from './judge.ts';
import type { Expected } from './manifest.ts';

const holder = { role: 'culprit', pid: 413, comm: 'updatedb' };
const lock = { role: 'resource', ctype: 'struct rw_semaphore', address: '0xff136aee823d8440', what: 'i_rwsem' };
const stuck: Expected = { causes: ['lock-holder-stuck'], culprits: [holder], resources: [lock] };
const healthy: Expected = { causes: [] };

const task = (pid: number, comm: string): Record<string, unknown> => ({ pid, comm, task: '0xff136aee9f8f20c0' });
const finding = (cause: string, details: Record<string, unknown>, role = 'cause'): JudgedFinding => ({
  cause,
  role,
  details,
});
const verdictOf = (findings: readonly JudgedFinding[], expected: Expected): Verdict =>
  judge({ findings }, expected).verdict;

const rightFinding = finding('lock-holder-stuck', {
  holder: { task: task(413, 'updatedb'), state: 'S' },
  lock: { address: '0xff136aee823d8440' },
});
const trigger = finding('sysrq', {}, 'trigger');

describe('a report of a hang', () => {
  test('is right with cause, culprit and resource', () => {
    expect(verdictOf([rightFinding, trigger], stuck)).toBe('right');
  });

  test('is partly right without culprit or resource', () => {
    expect(verdictOf([finding('lock-holder-stuck', { lock: { address: lock.address } })], stuck)).toBe('partly');
    expect(verdictOf([finding('lock-holder-stuck', { culprit: task(413, 'updatedb') })], stuck)).toBe('partly');
  });

  test('is partly right with another count of those behind it, or another circle, than the guest counted', () => {
    const circle = [
      { holder: task(413, 'updatedb'), lock: lock.address },
      { holder: task(413, 'updatedb'), lock: lock.address },
    ];
    const counted: Expected = { ...stuck, behind: 7, cycle: 2 };
    const found = (details: Record<string, unknown>) =>
      verdictOf([finding('lock-holder-stuck', { cycle: circle, ...details })], counted);
    expect(found({ behind: 7 })).toBe('right');
    expect(found({ behind: 8 })).toBe('partly');
    expect(found({})).toBe('partly');
    expect(found({ behind: 7, cycle: circle.slice(1) })).toBe('partly');
  });

  test('is partly right with the address of another lock', () => {
    const other = finding('lock-holder-stuck', {
      holder: task(413, 'updatedb'),
      lock: { address: '0xff136aee00000000' },
    });
    expect(verdictOf([other], stuck)).toBe('partly');
  });

  test('is partly right when the right cause stands behind findings that claim nothing', () => {
    expect(verdictOf([trigger, rightFinding], stuck)).toBe('partly');
  });

  test('is silent when nothing is claimed', () => {
    expect(verdictOf([], stuck)).toBe('silent');
    expect(verdictOf([trigger, finding('lock-queue', {}, 'context')], stuck)).toBe('silent');
  });

  test('is wrong with another cause first, even when the right one follows', () => {
    expect(verdictOf([finding('memory-short', {}), rightFinding], stuck)).toBe('wrong');
  });

  test('is wrong with another culprit', () => {
    const details = { holder: task(422, 'du'), lock: { address: lock.address } };
    expect(verdictOf([finding('lock-holder-stuck', details)], stuck)).toBe('wrong');
  });

  test('is wrong with the right pid under another name', () => {
    expect(verdictOf([finding('lock-holder-stuck', { holder: task(413, 'du') })], stuck)).toBe('wrong');
  });

  test('cannot blame everybody', () => {
    const details = {
      holder: task(413, 'updatedb'),
      cycle: [{ holder: task(413, 'updatedb') }, { holder: task(7, 'kswapd0') }],
      lock: { address: lock.address },
    };
    expect(verdictOf([finding('lock-holder-stuck', details)], stuck)).toBe('wrong');
  });

  test('may name either end of a circle', () => {
    const other = { role: 'culprit', pid: 2, comm: 'b' };
    const expected: Expected = { causes: ['lock-cycle'], culprits: [holder, other], resources: [lock] };
    const details = {
      holder: task(2, 'b'),
      cycle: [{ holder: task(413, 'updatedb') }],
      lock: { address: lock.address },
    };
    expect(verdictOf([finding('lock-cycle', details)], expected)).toBe('right');
  });
});

test('a larger reserve is advised where it was too small, and nowhere else', () => {
  const remedies = [{ action: 'Raise the reserve: `sysctl vm.min_free_kbytes=3162`.' }];
  const advises = { ...finding('min-free-too-low', {}), remedies };
  expect(verdictOf([advises], { causes: ['min-free-too-low'] })).toBe('right');
  expect(judge({ findings: [rightFinding, { ...trigger, remedies }] }, stuck)).toEqual({
    verdict: 'wrong',
    why: 'advises to set vm.min_free_kbytes',
  });
  expect(verdictOf([{ ...trigger, remedies }], healthy)).toBe('wrong');
});

describe('a report of a healthy machine', () => {
  test('is right when nothing is claimed', () => {
    expect(verdictOf([], healthy)).toBe('right');
    expect(verdictOf([trigger], healthy)).toBe('right');
  });

  test('is wrong when anything is claimed, a symptom included', () => {
    expect(verdictOf([rightFinding], healthy)).toBe('wrong');
    expect(verdictOf([finding('blocked-tasks', {}, 'symptom')], healthy)).toBe('wrong');
  });
});

test('the worst variant counts', () => {
  expect(worst(['right', 'partly', 'right'])).toBe('partly');
  expect(worst(['silent', 'wrong', 'right'])).toBe('wrong');
  expect(worst([])).toBeUndefined();
});

/** What a stupid report may look at, and what is true, in two variants of each of the ten first incidents. */
interface Scene {
  readonly incident: string;
  readonly biggest: { readonly pid: number; readonly comm: string };
  readonly contended?: { readonly address: string; readonly owner: { readonly pid: number; readonly comm: string } };
  readonly log: string;
  readonly expected: Expected;
}

const mysqld = { pid: 350, comm: 'mysqld' };
const java = { pid: 91, comm: 'java' };
const quiet = { address: '0xffffffffc0258060', owner: { pid: 361, comm: 'sensors' } };

function lockScenes(incident: string, cause: string): Scene[] {
  const expected: Expected = { causes: [cause], culprits: [holder], resources: [lock] };
  const contended = { address: lock.address, owner: holder };
  return [
    { incident, biggest: mysqld, contended, log: 'sysrq: Trigger a crash', expected },
    // Beside it, an innocent queue that is longer.
    { incident, biggest: java, contended: quiet, log: 'EXT4-fs error (device sda1)', expected },
  ];
}

function scenes(incident: string, expected: Expected, log: string, biggest = mysqld): Scene[] {
  return [
    { incident, biggest, contended: quiet, log, expected },
    { incident, biggest: java, log: 'blk_update_request: I/O error, dev sdb', expected },
  ];
}

const allScenes: readonly Scene[] = [
  ...lockScenes('01', 'lock-holder-stuck-in-own-userfaultfd'),
  ...lockScenes('02', 'lock-holder-in-reclaim'),
  ...lockScenes('03', 'lock-cycle'),
  ...lockScenes('04', 'lock-holder-stuck'),
  ...scenes(
    '05',
    { causes: ['memory-held-by-deleted-files'], culprits: [{ role: 'culprit', pid: 9, comm: 'rsyslogd' }] },
    '',
  ),
  ...scenes('06', { causes: ['slab-leak'], resources: [{ ...lock, ctype: 'struct kmem_cache' }] }, ''),
  // Here the biggest is the culprit, but that it may not be killed is the cause.
  ...scenes(
    '07',
    { causes: ['oom-no-victim'], culprits: [{ role: 'culprit', ...mysqld }] },
    'Kernel panic: deadlocked on memory',
  ),
  ...scenes('08', { causes: ['null-pointer-dereference'], culprits: [holder] }, 'BUG: kernel NULL pointer dereference'),
  ...scenes('09', healthy, 'INFO: task rsync:731 blocked for more than 120 seconds'),
  ...scenes('10', healthy, 'nfs: server archive not responding'),
];

/** What each stupid report scores, worst variant first, over the ten incidents. */
function tally(stupid: (scene: Scene) => JudgedReport): Record<string, number> {
  const byIncident = Map.groupBy(allScenes, ({ incident }) => incident);
  const verdicts = [...byIncident.values()].map((group) =>
    worst(group.map((scene) => judge(stupid(scene), scene.expected).verdict)),
  );
  return Object.fromEntries(
    [...Map.groupBy(verdicts, (verdict) => verdict ?? '')].map(([verdict, list]) => [verdict, list.length]),
  );
}

describe('stupid reports score as badly as they should', () => {
  test('always the largest process', () => {
    expect(tally(({ biggest }) => ({ findings: [finding('memory-short', { culprit: biggest })] }))).toEqual({
      wrong: 10,
    });
  });

  test('always the largest process, under a cause that is guessed right', () => {
    const tallied = tally(({ biggest, expected }) => ({
      findings: [finding(expected.causes[0] ?? 'memory-short', { culprit: biggest })],
    }));
    // The leak asks for no culprit, so its right cause without the cache is partly right.
    expect(tallied).toEqual({ wrong: 9, partly: 1 });
  });

  test('always the most contended lock', () => {
    const tallied = tally(({ contended }) => ({
      findings:
        contended === undefined
          ? []
          : [finding('lock-holder-stuck', { holder: contended.owner, lock: { address: contended.address } })],
    }));
    expect(tallied).toEqual({ wrong: 10 });
  });

  test('always the last error of the log', () => {
    const causeOf = (log: string): string => (log.includes('NULL pointer') ? 'null-pointer-dereference' : 'io-error');
    const tallied = tally(({ log }) => ({ findings: log === '' ? [] : [finding(causeOf(log), { culprit: holder })] }));
    expect(tallied).toEqual({ wrong: 10 });
  });

  test('never anything: right only where nothing is wrong', () => {
    expect(tally(() => ({ findings: [trigger] }))).toEqual({ silent: 8, right: 2 });
  });
});
