import { describe, expect, it } from 'vitest';
import { Incident } from '../../test/builders/incident.ts';
import { placeLog } from '../../test/builders/log.ts';
import { psFaults, tops } from '../../test/builders/scenes.ts';
import { textOf } from '../../test/builders/text.ts';
import { type Budget, limitedBudget, unlimited } from '../base/budget.ts';
import { CancelledError, FaultError, LookupError } from '../base/errors.ts';
import { kernelStopped, memoryShort } from '../model/condition.ts';
import { type AnyDetector, type Coverage, defineDetector, defineFact, type Fact } from '../model/diagnosis.ts';
import type { Finding } from '../model/finding.ts';
import type { Report } from '../model/report.ts';
import type { Program } from '../program/program.ts';
import { diagnose, type Step } from './engine.ts';

const sound = (): Program => new Incident().program();

function finding(part: Partial<Finding>): Finding {
  return {
    detector: 'test',
    cause: 'test',
    role: 'cause',
    title: ['a title'],
    confidence: 'certain',
    weight: 1,
    story: [],
    evidence: [],
    remedies: [],
    details: {},
    ...part,
  };
}

const fact = (id: string, derive: () => unknown): Fact<unknown> => defineFact({ id, derive });

/** A detector that uses one fact and then says what it is told to. */
function detector(id: string, says: () => readonly Finding[], uses?: Fact<unknown>): AnyDetector {
  return defineDetector({
    id,
    title: `looks for ${id}`,
    summary: '',
    needs: uses === undefined ? {} : { uses },
    appliesTo: () => true,
    run: says,
  });
}

const speaks = (id: string, part: Partial<Finding> = {}): AnyDetector =>
  detector(id, () => [finding({ detector: id, cause: id, ...part })]);

function fails(id: string, error: unknown): AnyDetector {
  return detector(id, () => {
    throw error;
  });
}

/** All steps and the report. */
function run(
  program: Program,
  detectors: readonly AnyDetector[] | undefined,
  budget: Budget = unlimited,
): { readonly steps: readonly Step[]; readonly report: Report } {
  const steps: Step[] = [];
  const going = diagnose(program, budget, detectors);
  for (;;) {
    const next = going.next();
    if (next.done === true) return { steps, report: next.value };
    steps.push(next.value);
  }
}

const reportOf = (...detectors: readonly AnyDetector[]): Report => run(sound(), detectors).report;
const statuses = (report: Report): readonly (readonly [string, string])[] =>
  report.checks.map((check) => [check.detector, check.status]);

describe('the engine and its detectors', () => {
  it('asks each in turn and says what came of it', () => {
    const skipped: AnyDetector = { ...speaks('skipped'), appliesTo: () => 'no such module' };
    const { steps, report } = run(sound(), [speaks('one'), detector('two', () => []), skipped]);
    expect(steps.map(({ step }) => step)).toEqual([
      'reading the system',
      'looks for one',
      'looks for two',
      'looks for skipped',
    ]);
    expect(report.checks).toEqual([
      { detector: 'one', title: 'looks for one', status: 'spoke' },
      { detector: 'two', title: 'looks for two', status: 'silent' },
      { detector: 'skipped', title: 'looks for skipped', status: 'skipped', reason: 'no such module' },
    ]);
    expect(report.findings.map(({ cause }) => cause)).toEqual(['one']);
    expect(report.system.map(({ key }) => key)).toContain('tasks');
    expect(report).toMatchObject({ stopped: undefined, problems: [], complete: true });
  });

  it.each([
    ['an error of the dump', new FaultError('virtual', 0xffff888000000000n, 'lost'), /0xffff888000000000: lost$/],
    ['a layout that is not known', new LookupError('member', 'struct zone.name'), /struct zone\.name/],
    ['a mistake of its own', new TypeError('x is undefined'), /^internal error: x is undefined$/],
    ['something that is no error', 'just text', /^internal error: just text$/],
  ])('lets the others go on when one fails with %s', (_what, error, reason) => {
    const report = reportOf(speaks('before'), fails('bad', error), speaks('after'));
    expect(statuses(report)).toEqual([
      ['before', 'spoke'],
      ['bad', 'failed'],
      ['after', 'spoke'],
    ]);
    expect(report.checks[1]?.reason).toMatch(reason);
    expect(report.findings.map(({ cause }) => cause)).toEqual(['before', 'after']);
    expect(report.complete).toBe(false);
  });

  it('skips what a damaged dump cannot be asked, and is partial all the same', () => {
    const program = sound();
    Object.defineProperty(program, 'problems', { value: ['some symbols are lost'] });
    const lost = new FaultError('virtual', 0xffff888000000000n, 'lost');
    const { report } = run(program, [fails('bad', lost), fails('worse', new TypeError('x is undefined'))]);
    expect(statuses(report)).toEqual([
      ['bad', 'skipped'],
      ['worse', 'failed'],
    ]);
    expect(report.checks[0]?.reason).toMatch(/^what it needs cannot be read: .*: lost$/);
    expect(report.complete).toBe(false);
  });

  it('does not ask one that was ended from outside before, and says what came of it', () => {
    const asked: string[] = [];
    const detectors = ['one', 'two'].map((id) =>
      detector(id, () => {
        asked.push(id);
        return [];
      }),
    );
    const steps: Step[] = [];
    const going = diagnose(sound(), unlimited, detectors, new Map([['one', { status: 'failed', reason: 'ended' }]]));
    let next = going.next();
    for (; next.done !== true; next = going.next()) steps.push(next.value);
    expect(asked).toEqual(['two']);
    expect(steps.map((step) => step.detector)).toEqual([undefined, 'two']);
    expect(next.value.checks).toEqual([
      { detector: 'one', title: 'looks for one', status: 'failed', reason: 'ended' },
      { detector: 'two', title: 'looks for two', status: 'silent' },
    ]);
    expect(next.value.complete).toBe(false);
  });

  it('tells findings that one condition ties as one story, and each other as its own', () => {
    const report = reportOf(
      speaks('queue', { restsOn: [memoryShort] }),
      speaks('other'),
      speaks('hog', { explains: [memoryShort], weight: 0 }),
    );
    expect(report.findings.map(({ cause }) => cause)).toEqual(['queue', 'other', 'hog']);
    expect(report.stories).toEqual([
      { findings: [2, 0], links: [{ from: 2, to: 0, through: memoryShort }], loop: [] },
      { findings: [1], links: [], loop: [] },
    ]);
  });

  it('keeps nothing of one that fails, and takes a failing question whether it applies as a failure', () => {
    const bad: AnyDetector = {
      ...speaks('bad'),
      appliesTo() {
        throw new LookupError('symbol', 'init_task');
      },
    };
    const report = reportOf(bad, speaks('after'));
    expect(statuses(report)).toEqual([
      ['bad', 'failed'],
      ['after', 'spoke'],
    ]);
  });

  it('derives a fact once, and gives its error to all that need it', () => {
    let derived = 0;
    const good = fact('good', () => ++derived);
    let tried = 0;
    const bad = fact('bad', () => {
      tried++;
      throw new FaultError('virtual', 0n, 'excluded');
    });
    const report = reportOf(
      detector('a', () => [finding({})], good),
      detector('b', () => [finding({})], good),
      detector('c', () => [finding({})], bad),
      detector('d', () => [finding({})], bad),
    );
    expect([derived, tried]).toEqual([1, 1]);
    expect(statuses(report).map(([, status]) => status)).toEqual(['spoke', 'spoke', 'failed', 'failed']);
    expect(report.checks[3]?.reason).toMatch(/excluded/);
  });

  it('goes on without the system when that cannot be read', () => {
    const program = new Proxy(sound(), {
      get: (target, key) => {
        if (key === 'vmcoreinfo') throw new FaultError('virtual', 0n, 'lost');
        return Reflect.get(target, key, target) as unknown;
      },
    });
    const { report } = run(program, [speaks('after')]);
    expect(statuses(report)).toEqual([
      ['system', 'failed'],
      ['after', 'spoke'],
    ]);
    expect(report.system).toEqual([]);
    expect(report.complete).toBe(false);
  });
});

describe('the rank of findings', () => {
  it('puts causes first, then the surer, then the weightier', () => {
    const parts: readonly Partial<Finding>[] = [
      { cause: 'trigger', role: 'trigger', weight: 99 },
      { cause: 'context', role: 'context', weight: 99 },
      { cause: 'symptom', role: 'symptom', weight: 99 },
      { cause: 'possible', confidence: 'possible', weight: 99 },
      { cause: 'light', confidence: 'probable', weight: 3 },
      { cause: 'heavy', confidence: 'probable', weight: 4 },
      { cause: 'certain', weight: 1 },
    ];
    const report = reportOf(detector('all', () => parts.map(finding)));
    expect(report.findings.map(({ cause }) => cause)).toEqual([
      'certain',
      'heavy',
      'light',
      'possible',
      'symptom',
      'context',
      'trigger',
    ]);
  });

  it('keeps the order of the detectors among equals', () => {
    const report = reportOf(speaks('one'), speaks('two'), speaks('three'));
    expect(report.findings.map(({ cause }) => cause)).toEqual(['one', 'two', 'three']);
  });
});

describe('the summary', () => {
  it('is the title of the first cause', () => {
    expect(reportOf(speaks('x', { title: ['it is this'] })).summary).toEqual(['it is this']);
  });

  it('says by how many checks no cause was found, and how many could not run', () => {
    const none = reportOf(
      detector('a', () => []),
      speaks('b', { role: 'context' }),
    );
    expect(textOf(none.summary)).toBe(
      '2 checks found no cause of a hang or of a memory shortage; what was noticed may be normal.',
    );
    expect(none.advice.map(textOf)).toEqual([expect.stringMatching(/^Make a second dump/)]);
    const failed = reportOf(
      detector('a', () => []),
      fails('b', new TypeError('x')),
    );
    expect(textOf(failed.summary)).toBe(
      '1 check found no cause of a hang or of a memory shortage in what could be read; 1 check could not run.',
    );
    expect(textOf(reportOf(fails('b', new TypeError('x'))).summary)).toBe(
      'Nothing is known of a cause: 1 check could not run.',
    );
    expect(reportOf(fails('b', new TypeError('x'))).advice).toEqual([]);
  });

  it('calls a machine healthy where nothing was noticed, and only there', () => {
    const silent = detector('a', () => []);
    const byHand = speaks('t', { role: 'trigger' });
    const healthy = reportOf(silent, byHand);
    expect(textOf(healthy.summary)).toBe(
      'The machine looks healthy: 2 checks found no cause of a hang or of a memory shortage.',
    );
    expect(healthy.advice.map(textOf)).toEqual([expect.stringMatching(/^If it was in trouble/)]);
    const said = (...detectors: AnyDetector[]): string => textOf(reportOf(silent, ...detectors).summary);
    expect(said(speaks('n', { role: 'context' }))).not.toMatch(/healthy/);
    expect(said(speaks('s', { role: 'symptom' }))).not.toMatch(/healthy/);
    expect(said(fails('b', new TypeError('x')))).not.toMatch(/healthy/);
    const stopped = reportOf(silent, speaks('t', { role: 'trigger', shows: [kernelStopped] }));
    expect(textOf(stopped.summary)).not.toMatch(/healthy/);
    expect(stopped.advice.map(textOf)).toEqual([expect.stringMatching(/^The kernel stopped itself/)]);
    expect(reportOf(speaks('c')).advice).toEqual([]);
  });

  it('does not call a machine healthy on which tasks are in uninterruptible sleep', () => {
    const blocked = (tasks: number): Report => {
      const incident = new Incident();
      incident.tasks(tasks, 'dd', (i) => ({ pid: 50 + i, state: 'D' }));
      return run(incident.program(), [detector('a', () => [])]).report;
    };
    expect(textOf(blocked(2).summary)).toMatch(/healthy/);
    expect(textOf(blocked(3).summary)).not.toMatch(/healthy/);
    expect(blocked(3).advice.map(textOf)).toEqual([
      expect.stringMatching(/^3 tasks were in uninterruptible sleep/),
      expect.stringMatching(/^Make a second dump/),
    ]);
  });
});

describe('what was covered', () => {
  const covering = (coverage: Coverage): AnyDetector =>
    detector('covering', () => [], defineFact<void>({ id: 'covering', derive: ({ cover }) => cover(coverage) }));

  it.each([
    [161, 161, true],
    [162, 161, true],
    [160, 161, false],
    [160, undefined, false],
  ])('is complete with %s of %s: %s', (read, total, complete) => {
    const coverage = { what: 'widgets', read, total, missing: [] };
    const report = reportOf(covering(coverage));
    expect(report.coverage).toContainEqual(coverage);
    expect(report.complete).toBe(complete);
  });

  it('is not complete when the file or the opening of it has problems', () => {
    const { report } = run(new Incident().program(undefined, ['the file is truncated']), []);
    expect(report).toMatchObject({ problems: ['the file is truncated'], complete: false });
  });

  it('is not complete when a page that somebody tried to read is lost, though nobody minded', () => {
    const incident = new Incident();
    const page = incident.image.place('lost page', 'u64[512]', undefined, { page: 'lost' });
    const program = incident.program();
    const reads = detector('reads', () => {
      expect(program.memory.isReadable(page)).toBe(false);
      return [];
    });
    expect(run(program, []).report.complete).toBe(true);
    const { report } = run(program, [reads]);
    expect(report).toMatchObject({
      problems: ['pages that were needed are damaged or missing in the file: 1'],
      complete: false,
    });
  });
});

describe('layouts that no real dump has proven', () => {
  it('make nothing certain, and are told', () => {
    const program = sound();
    program.layouts.chose('struct widget', 'since yesterday', []);
    program.layouts.chose('struct gadget', 'since long', ['6.1']);
    const told: Partial<Finding> = { cause: 'told', confidence: 'possible', because: ['a reason of its own'] };
    const { report } = run(program, [speaks('sure'), speaks('told', told)]);
    expect(report.unproven).toEqual(['struct widget: since yesterday']);
    expect(report.findings).toMatchObject([{ cause: 'sure', confidence: 'probable' }, told]);
    expect(textOf(report.findings[0]?.because)).toMatch(/struct widget: since yesterday$/);
  });

  it('are none on a kernel like those of the real dumps', () => {
    const { report } = run(sound(), [speaks('sure')]);
    expect(report.unproven).toEqual([]);
    expect(report.findings[0]).toMatchObject({ confidence: 'certain' });
    expect(report.findings[0]).not.toHaveProperty('because');
  });
});

describe('an end before the end', () => {
  it.each(['time-limit', 'interrupt'] as const)(
    'keeps what is known when a detector is cut off by the %s',
    (reason) => {
      const report = reportOf(speaks('before'), fails('cut', new CancelledError(reason)), speaks('never'));
      expect(report.stopped).toBe(reason);
      expect(report.complete).toBe(false);
      expect(statuses(report)).toEqual([
        ['before', 'spoke'],
        ['cut', 'out-of-time'],
        ['never', 'out-of-time'],
      ]);
      expect(report.findings.map(({ cause }) => cause)).toEqual(['before']);
    },
  );

  it('asks the budget before each detector', () => {
    let now = 0;
    const slow = detector('slow', () => {
      now = 100;
      return [finding({ cause: 'slow' })];
    });
    const { report } = run(
      sound(),
      [slow, speaks('late')],
      limitedBudget(() => now, 50),
    );
    expect(statuses(report)).toEqual([
      ['slow', 'spoke'],
      ['late', 'out-of-time'],
    ]);
    expect(report.findings.map(({ cause }) => cause)).toEqual(['slow']);
    expect(report.stopped).toBe('time-limit');
  });

  it('is told apart while the system is read', () => {
    const word = new Int32Array(new SharedArrayBuffer(4));
    const cut = fact('cut', () => {
      throw new CancelledError('interrupt');
    });
    word[0] = 1;
    const { report } = run(
      sound(),
      [detector('one', () => [], cut)],
      limitedBudget(() => 0, undefined, word),
    );
    expect(report).toMatchObject({ stopped: 'interrupt', findings: [] });
    expect(statuses(report)).toEqual([['one', 'out-of-time']]);
  });

  it('gives a partial report at any step, without reading', () => {
    const { steps } = run(sound(), [speaks('one'), speaks('two')]);
    const reports = steps.map((step) => step.partial('time-limit'));
    // Asked after the run, each gives all that is known by then; asked at its step, no more than was known there.
    expect(reports.map(({ stopped }) => stopped)).toEqual(['time-limit', 'time-limit', 'time-limit']);
    const going = diagnose(sound(), unlimited, [speaks('one'), speaks('two')]);
    const at = (): Report => {
      const next = going.next();
      if (next.done === true) throw new Error('it ended too early');
      return next.value.partial('interrupt');
    };
    expect(at()).toMatchObject({ system: [], findings: [], stopped: 'interrupt', complete: false });
    expect(statuses(at())).toEqual([
      ['one', 'out-of-time'],
      ['two', 'out-of-time'],
    ]);
    const second = at();
    expect(statuses(second)).toEqual([
      ['one', 'spoke'],
      ['two', 'out-of-time'],
    ]);
    expect(second.findings.map(({ cause }) => cause)).toEqual(['one']);
    expect(second.system.length).toBeGreaterThan(0);
  });
});

describe('the registered detectors', () => {
  function hung(): Incident {
    const incident = new Incident();
    const ps = psFaults(incident);
    incident.userfault(ps, { descriptors: [[ps, 3]] });
    tops(incident, 5, incident.directory);
    return incident;
  }

  it('tell of a hung machine what hung it first, and what crashed it last', () => {
    const incident = hung();
    placeLog(incident.image, ['<6>[   11.300000] sysrq: Trigger a crash']);
    const { report } = run(incident.program(), undefined);
    expect(report.findings.map(({ cause }) => cause)).toEqual([
      'lock-holder-stuck-in-own-userfaultfd',
      'crash-by-sysrq',
    ]);
    expect(report.summary).toBe(report.findings[0]?.title);
    expect(report.complete).toBe(true);
    expect(report.coverage.map(({ what, read, total }) => [what, read, total])).toEqual(
      expect.arrayContaining([
        ['tasks', 7, 7],
        ['kernel stacks, unwound to their end', 9, 9],
        ['log records', 1, 1],
      ]),
    );
  });

  it('claim nothing of a sound machine', () => {
    const { report } = run(sound(), undefined);
    expect(report.findings).toEqual([]);
    expect(report.checks.every(({ status }) => status !== 'failed')).toBe(true);
  });

  it('tell the hang as well when there is no log, and that it is missing', () => {
    const { report } = run(hung().program(), undefined);
    expect(report.findings).toMatchObject([{ cause: 'lock-holder-stuck-in-own-userfaultfd' }]);
    expect(report.complete).toBe(false);
    expect(report.coverage.find(({ what }) => what === 'log records')).toMatchObject({ read: 0, total: undefined });
  });

  it('end in a report whatever page of the machine is lost', () => {
    const pages = [...hung().image.pages.keys()].sort((a, b) => a - b);
    const reports = pages.map((page) => {
      const program = hung().program((image) => image.states.set(page, 'lost'));
      return run(program, undefined).report;
    });
    const internal = reports.flatMap(({ checks }) =>
      checks.filter(({ reason }) => reason?.startsWith('internal') === true),
    );
    expect(internal).toEqual([]);
    // A report of one that lost something that matters says so: it claims the cause, or that it is not complete.
    const silent = reports.filter(({ findings, complete }) => complete && findings.length === 0);
    expect(silent).toEqual([]);
    expect(reports.length).toBeGreaterThan(10);
  });
});
