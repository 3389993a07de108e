import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { hostileName, hostileReport, partialReport, report } from '../../test/builders/report.ts';
import { encodeReport, reportJson } from './report-json.ts';

type Tree = { readonly [key: string]: unknown };

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function tree(value: unknown): Tree {
  if (!isTree(value)) throw new Error(`not an object: ${JSON.stringify(value)}`);
  return value;
}

function list(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new Error(`not a list: ${JSON.stringify(value)}`);
  return value;
}

const address = /^0x[0-9a-f]{16}$/;
const text = /^[^\p{C}]+$/u;
const oneOf = (...words: string[]): RegExp => new RegExp(`^(?:${words.join('|')})$`);
const confidence = oneOf('certain', 'probable', 'possible');

/** A pattern for strings, the name of another type, a list of them, or members. All may be missing. */
type Rule = RegExp | 'string' | 'number' | 'boolean' | 'any' | readonly [Rule] | { readonly [key: string]: Rule };

const schema: Rule = {
  schema: oneOf('kwhy-report'),
  version: 'number',
  complete: 'boolean',
  stopped: oneOf('time-limit', 'interrupt'),
  system: 'any',
  summary: text,
  advice: [text],
  findings: [
    {
      detector: /^[a-z-]+$/,
      cause: /^[a-z-]+$/,
      role: oneOf('cause', 'symptom', 'trigger', 'context'),
      title: text,
      confidence,
      because: text,
      weight: 'number',
      story: [
        {
          topic: oneOf(
            'what',
            'why',
            'holder',
            'proof',
            'task',
            'waiters',
            'launcher',
            'since',
            'clears',
            'memory',
            'remedy',
          ),
          text,
        },
      ],
      growth: {
        width: 'any',
        clock: oneOf('sched_info.last_arrival'),
        steps: [{ from: 'any', to: 'any', at: 'any', came: 'number', waiting: 'number' }],
        unknown: 'number',
      },
      evidence: [{ claim: text, address, ctype: 'string', confidence, because: text, show: 'string' }],
      remedies: [{ action: text, caution: text }],
      details: 'any',
    },
  ],
  stories: [{ findings: ['number'], links: [{ from: 'number', to: 'number', through: 'string' }], loop: ['number'] }],
  checks: [
    {
      detector: 'string',
      title: 'string',
      status: oneOf('spoke', 'silent', 'skipped', 'failed', 'out-of-time'),
      reason: 'string',
    },
  ],
  coverage: [{ what: 'string', read: 'number', total: 'number', missing: ['string'] }],
  unproven: ['string'],
  problems: ['string'],
};

function isListRule(rule: Rule): rule is readonly [Rule] {
  return Array.isArray(rule);
}

function violations(value: unknown, rule: Rule, path: string): string[] {
  if (rule === 'any') return [];
  if (typeof rule === 'string') return typeof value === rule ? [] : [`${path}: not a ${rule}`];
  if (rule instanceof RegExp) return typeof value === 'string' && rule.test(value) ? [] : [`${path}: ${String(value)}`];
  if (isListRule(rule)) {
    if (!Array.isArray(value)) return [`${path}: not a list`];
    return value.flatMap((item, i) => violations(item, rule[0], `${path}[${i}]`));
  }
  if (!isTree(value)) return [`${path}: not an object`];
  return Object.entries(value).flatMap(([key, member]) => {
    const inner = rule[key];
    return inner === undefined ? [`${path}.${key}: not in the schema`] : violations(member, inner, `${path}.${key}`);
  });
}

/** Every node of what was given to JSON.stringify. */
function* nodes(value: unknown): Generator<unknown> {
  yield value;
  if (typeof value === 'object' && value !== null) for (const member of Object.values(value)) yield* nodes(member);
}

test.each([
  ['complete', report()],
  ['partial', partialReport()],
  ['empty', report({ findings: [], checks: [], coverage: [], system: [] })],
  ['hostile', hostileReport()],
])('a %s report follows the schema', (_name, subject) => {
  expect(violations(JSON.parse(reportJson(subject)), schema, '$')).toEqual([]);
});

test('neither bigint nor undefined nor NaN reaches JSON.stringify', () => {
  const details = { nan: { kind: 'count', value: Number.NaN }, list: [undefined, 1], none: undefined } as const;
  const first = report().findings[0];
  const subject = report(first === undefined ? {} : { findings: [{ ...first, details }] });
  const all = [...nodes(encodeReport(subject))];
  expect([...new Set(all.map((node) => typeof node))].sort()).toEqual(['boolean', 'number', 'object', 'string']);
  expect(all.filter((node) => typeof node === 'number' && !Number.isFinite(node))).toEqual([]);
  const found = tree(list(tree(JSON.parse(reportJson(subject))).findings)[0]);
  expect(found.details).toEqual({ list: [null, 1] });
});

test('details and the machine keep exact numbers, addresses, tasks and raw names', () => {
  const parsed = tree(JSON.parse(reportJson(report())));
  expect(parsed.system).toMatchObject({
    kernel: '6.1.0-56-cloud-amd64',
    uptime: { ns: '14300000000', seconds: 14.3 },
    crashed: { seconds: 1_795_424_400, utc: '2026-11-23T09:00:00Z' },
    memory: 485_000_000,
    tasks: { all: 161 },
  });
  expect(tree(list(parsed.findings)[0]).details).toEqual({
    lock: { address: '0xffff88899fd6d080', type: 'struct rw_semaphore', path: '/data' },
    holder: { pid: 96, comm: 'ps', task: '0xffff88899fc4a0c0' },
    waiters: { writers: 1, readers: 50, longest: { ns: '7420000000', seconds: 7.42 } },
    tasks: [
      { pid: 101, comm: 'crond-log', task: '0xffff88899fc4c180' },
      { pid: 106, comm: 'top', task: '0xffff88899fc50000' },
    ],
  });
});

test('a detail with a member named kind is not taken for a value', () => {
  const first = report().findings[0];
  const details = { lock: { kind: 'task', pid: { kind: 'count', value: 3 } }, other: { kind: 'mutex' } } as const;
  const subject = report(first === undefined ? {} : { findings: [{ ...first, details }] });
  expect(tree(list(tree(encodeReport(subject)).findings)[0]).details).toEqual({
    lock: { kind: 'task', pid: 3 },
    other: { kind: 'mutex' },
  });
});

test('hostile names survive as data, and the document is harmless', () => {
  const json = reportJson(hostileReport());
  expect(json.replaceAll('\n', '')).toMatch(/^[\x20-\x7e]*$/);
  const details = tree(tree(list(tree(JSON.parse(json)).findings)[0]).details);
  expect(details.bad).toBe(hostileName);
  expect(details.badTask).toMatchObject({ comm: hostileName });
  expect(details[hostileName]).toEqual([hostileName]);
  expect(Object.hasOwn(details, '__proto__')).toBe(true);
});

test('every key of the schema is documented', () => {
  const documented = readFileSync(new URL('../../docs/json-schema.md', import.meta.url), 'utf8');
  const keys = (rule: Rule): string[] => {
    if (typeof rule === 'string' || rule instanceof RegExp) return [];
    if (isListRule(rule)) return keys(rule[0]);
    return Object.entries(rule).flatMap(([key, inner]) => [key, ...keys(inner)]);
  };
  for (const key of keys(schema)) expect(documented).toMatch(new RegExp(`[\`"]${key}["\`]`));
});
