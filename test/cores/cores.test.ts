/**
 * The report on each core here against its manifest, in which the guest itself told what happened to it: the answer, and
 * every fact of it that the guest named. Never against what the report said last time.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { judge } from '../../lab/judge.ts';
import type { Manifest } from '../../lab/manifest.ts';
import { hex } from '../../src/base/address.ts';
import { unlimited } from '../../src/base/budget.ts';
import { diagnose } from '../../src/diagnosis/engine.ts';
import { readTasks, type Task } from '../../src/kernel/sched.ts';
import type { Report } from '../../src/model/report.ts';
import { programOf } from '../../src/program/open.ts';
import type { JsonValue } from '../../src/render/json.ts';
import { encodeReport } from '../../src/render/report-json.ts';
import { reportText } from '../../src/render/report-text.ts';
import { CoreStore } from '../builders/core-store.ts';

const store = new CoreStore(import.meta.dirname);

/** Cores that no detector answers yet. Of these nothing may be claimed; of all others the answer must be right. */
const UNANSWERED: readonly string[] = [];

const manifestOf = (name: string): Manifest =>
  JSON.parse(readFileSync(join(import.meta.dirname, `${name}.json`), 'utf8')) as Manifest;

interface Found {
  readonly report: Report;
  readonly json: JsonValue;
  readonly tasks: readonly Task[];
}

function look(name: string): Found {
  const program = programOf(store.open(name));
  const steps = diagnose(program, unlimited);
  for (;;) {
    const next = steps.next();
    if (next.done !== true) continue;
    const report = next.value;
    return { report, json: encodeReport(report), tasks: readTasks(program).tasks };
  }
}

/** A member of a member; undefined when there is none. */
function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === 'object' && inner !== null ? (inner as { [key: string]: unknown })[key] : undefined,
    value,
  );
}

const LOCK = /^struct (mutex|rw_semaphore)$/;
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** Of the first finding. */
const detail = ({ json }: Found, ...path: readonly (string | number)[]): unknown =>
  at(json, 'findings', 0, 'details', ...path);

const pidOf = ({ tasks }: Manifest, role: string): number | undefined => tasks.find((task) => task.role === role)?.pid;

const lockOf = ({ expected }: Manifest) => expected.resources?.find(({ ctype }) => LOCK.test(ctype));

interface Fact {
  /** What the guest told; undefined when it did not. */
  readonly told: (manifest: Manifest) => unknown;
  readonly found: (found: Found, manifest: Manifest) => unknown;
}

const FACTS: { readonly [what: string]: Fact } = {
  'the release': {
    told: ({ texts }) => texts['release'],
    found: ({ json }) => at(json, 'system', 'kernel', 'release'),
  },
  'the name of the host': {
    told: ({ parameters }) => parameters['HOST'],
    found: ({ json }) => at(json, 'system', 'host'),
  },
  'the tasks and the decoys, by pid and name': {
    told: ({ tasks, decoys }) =>
      [...tasks, ...decoys].filter(({ pid }) => pid > 0).map(({ pid, comm }) => `${comm} (${pid})`),
    found: ({ tasks }, manifest) =>
      [...manifest.tasks, ...manifest.decoys]
        .filter(({ pid }) => pid > 0)
        .map(({ pid }) => `${tasks.find((task) => task.pid === pid)?.comm} (${pid})`),
  },
  'where the task of the culprit lies': {
    told: ({ addresses }) =>
      addresses.find(({ role, ctype }) => role === 'culprit' && ctype === 'struct task_struct')?.address,
    found: ({ tasks }, manifest) => {
      const task = tasks.find(({ pid }) => pid === pidOf(manifest, 'culprit'));
      return task === undefined ? undefined : hex(task.address);
    },
  },
  'the kind of the lock': {
    told: (manifest) => lockOf(manifest)?.ctype,
    found: (found, manifest) => {
      const link = list(detail(found, 'cycle')).find((each) => at(each, 'lock') === lockOf(manifest)?.address);
      return detail(found, 'lock', 'ctype') ?? at(link, 'type');
    },
  },
  'how many wait behind what is no lock': {
    told: ({ counts }) => counts['behind'],
    found: (found) => detail(found, 'behind'),
  },
  'how many are in the circle': {
    told: ({ counts }) => counts['cycle'],
    found: (found) => list(detail(found, 'cycle')).length,
  },
  'how many wait': { told: ({ counts }) => counts['waiters'], found: (found) => detail(found, 'victims') },
  'each other lock, and how many wait for it': {
    told: ({ addresses, counts }) => {
      const locks = addresses.filter(({ role }) => role === 'other lock');
      const each = counts['waiters of each other lock'] ?? 0;
      // One more asks for those with readers, to write.
      const waiters = (ctype: string): number => (/percpu_rw|rwbase/.test(ctype) ? each + 1 : each);
      return locks.length === 0 ? undefined : locks.map(({ address, ctype }) => `${address} ${waiters(ctype)}`);
    },
    found: ({ json }, { addresses }) =>
      addresses
        .filter(({ role }) => role === 'other lock')
        .map(({ address }) => {
          const findings = list(at(json, 'findings'));
          const own = findings.find((finding) => at(finding, 'details', 'lock', 'address') === address);
          return `${address} ${String(at(own, 'details', 'waiters', 'total'))}`;
        }),
  },
  'the directory': { told: ({ texts }) => texts['folder'], found: (found) => detail(found, 'lock', 'path') },
  'the writer that waits first': {
    told: (manifest) => (lockOf(manifest) === undefined ? undefined : pidOf(manifest, 'writer')),
    found: (found) => detail(found, 'waiters', 'first', 'task', 'pid'),
  },
  'who launched those that wait': {
    told: (manifest) => pidOf(manifest, 'launcher'),
    found: (found, manifest) =>
      list(detail(found, 'groups'))
        .flatMap((group) => list(at(group, 'launchers', 'levels')))
        .map((level) => at(level, 'first'))
        .find((pid) => pid === pidOf(manifest, 'launcher')),
  },
  'who holds most memory': {
    told: ({ tasks }) => tasks.find(({ role }) => role === 'most memory')?.comm,
    found: ({ json }) =>
      at(
        list(at(json, 'findings')).find((finding) => at(finding, 'cause') === 'memory-short'),
        'details',
        'groups',
        0,
        'comm',
      ),
  },
  'the deleted files': {
    told: ({ counts }) =>
      counts['deleted files'] === undefined ? undefined : [counts['deleted files'], counts['bytes in deleted files']],
    found: (found) => [detail(found, 'files'), detail(found, 'held')],
  },
  'one of the deleted files': {
    told: ({ addresses }) => addresses.find(({ role }) => role === 'first deleted')?.address,
    found: (found, { addresses }) =>
      list(detail(found, 'largest'))
        .map((file) => at(file, 'inode'))
        .find((inode) => addresses.some(({ address }) => address === inode)),
  },
  'the slab cache that leaks': { told: ({ texts }) => texts['cache'], found: (found) => detail(found, 'cache') },
  'the size of what leaks': {
    told: ({ counts }) => counts['bytes of a record'],
    found: (found) => detail(found, 'objectSize'),
  },
  'how much leaked, to 5 %': {
    told: ({ counts }) => (counts['records leaked'] === undefined ? undefined : true),
    found: (found, { counts }) => {
      const leaked = (counts['records leaked'] ?? 0) * (counts['bytes of a record'] ?? 0);
      const held = Number(detail(found, 'held'));
      return held >= leaked && held < leaked * 1.05;
    },
  },
  'the module': {
    told: ({ texts }) => texts['module'],
    found: (found) => detail(found, 'function', 'module') ?? detail(found, 'module'),
  },
};

describe.each(store.names())('%s', (name) => {
  const manifest = manifestOf(name);
  let found: Found | undefined;
  beforeAll(() => {
    found = look(name);
  });
  const known = (): Found => {
    if (found === undefined) throw new Error(`${name} was not opened`);
    return found;
  };

  it('answers right, with who is to blame and what it is about; or, where no detector can, claims nothing', () => {
    const { json } = known();
    const { verdict, why } = judge(json as Parameters<typeof judge>[0], manifest.expected);
    expect(verdict, why).toBe(UNANSWERED.includes(name) ? 'silent' : 'right');
  });

  it('blames no decoy', () => {
    const { report } = known();
    const blamed = report.findings
      .filter(({ role }) => role === 'cause')
      .flatMap(({ details }) => [details['culprit'], details['holder']])
      .map((each) => at(each, 'pid') ?? at(each, 'task', 'pid'));
    const decoys = manifest.decoys.map(({ pid }) => pid).filter((pid) => pid > 0);
    expect(decoys.length).toBeGreaterThan(0);
    for (const pid of decoys) expect(blamed).not.toContain(pid);
  });

  const facts = Object.entries(FACTS).filter(([, { told }]) => told(manifest) !== undefined);
  it.each(facts)('tells %s as the guest did', (_what, fact) => {
    expect(fact.found(known(), manifest)).toEqual(fact.told(manifest));
  });

  it('tells the answer on one screen: a remedy where there is a cause, else what to look at next', () => {
    const { report } = known();
    const text = reportText(report, { width: 100, colour: false });
    const screen = text.slice(0, text.indexOf('\n\n--- ')).split('\n');
    expect(screen.length).toBeLessThanOrEqual(24);
    expect(Math.max(...screen.map((line) => line.length))).toBeLessThanOrEqual(100);
    const cause = report.findings[0]?.role === 'cause';
    expect(screen.some((line) => line.startsWith('Do '))).toBe(true);
    expect(report.advice.length > 0).toBe(!cause);
  });

  it('has all that the report reads', () => {
    const { report } = known();
    expect(report).toMatchObject({ complete: true, problems: [], unproven: [] });
    expect(report.checks.filter(({ status }) => status !== 'spoke' && status !== 'silent')).toEqual([]);
  });
});

describe('the cores', () => {
  const files = readdirSync(import.meta.dirname);

  it('each have a manifest, and the dumps of other kernels are among them', () => {
    const manifests = files.filter((file) => file.endsWith('.json')).map((file) => file.slice(0, -5));
    expect(manifests.sort()).toEqual(store.names());
    expect(new Set(store.names().map((name) => manifestOf(name).kernel)).size).toBeGreaterThan(1);
  });

  it('leave no fact unasked', () => {
    const manifests = store.names().map(manifestOf);
    const unasked = Object.entries(FACTS).filter(([, { told }]) => manifests.every((each) => told(each) === undefined));
    expect(unasked.map(([what]) => what)).toEqual([]);
  });

  it('are small enough to stay in the repository', () => {
    const bytes = files.reduce((sum, file) => sum + statSync(join(import.meta.dirname, file)).size, 0);
    expect(bytes).toBeLessThan(38_000_000);
  });
});
