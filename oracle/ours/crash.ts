/**
 * What our report says of the instruction that the kernel crashed at, or that a CPU is stuck in: group 'crash'. The answers
 * are those of the finding, as a reader of the JSON gets them.
 */
import { unlimited } from '../../src/base/budget.ts';
import { diagnose } from '../../src/diagnosis/engine.ts';
import type { Program } from '../../src/program/program.ts';
import { reportJson } from '../../src/render/report-json.ts';
import type { Answers } from '../answers.ts';

/** Detectors whose finding says where the kernel fell, or where it loops. */
const OOPSES = ['kernel-oops', 'use-after-free', 'list-corruption', 'stack-overflow', 'slab-corruption'];
const LOCKUPS = ['soft-lockup', 'hard-lockup', 'rcu-stall'];
const DEAD = ['dead-lock-owner'];

/** Who is to be asked: the task whose stack stands there, and whether the log tells of it. */
export interface CrashQuestion {
  /** 0 for a task that is no more, and where nothing fell. */
  readonly pid: number;
  readonly log: boolean;
  /** Of the finding that says where; undefined where nothing fell. */
  readonly detector: string | undefined;
}

type Members = { readonly [key: string]: unknown };
const members = (value: unknown): Members => (typeof value === 'object' && value !== null ? (value as Members) : {});
const textIn = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** Says what we know of the crash. @returns undefined when there was none: the log tells of no panic and no oops */
export function sayCrash(program: Program, answers: Answers): CrashQuestion | undefined {
  const steps = diagnose(program, unlimited);
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  const report = members(JSON.parse(reportJson(step.value)));
  const findings = (Array.isArray(report['findings']) ? report['findings'] : []).map(members);
  const all = [...OOPSES, ...LOCKUPS, ...DEAD];
  // Of damage to a slab that nothing fell over, no instruction is told.
  const tellsWhere = ({ detector, details }: Members): boolean =>
    all.includes(String(detector)) && (detector !== 'slab-corruption' || 'instruction' in members(details));
  const finding = findings.find(tellsWhere);
  const say = (key: string, value: unknown): void => answers.say('crash', key, textIn(value));
  const trigger = findings.find(({ detector }) => detector === 'crash-trigger');
  say('log panic', members(trigger?.['details'])['panic']);
  if (finding === undefined) return trigger === undefined ? undefined : { pid: 0, log: false, detector: undefined };
  const detector = String(finding['detector']);
  const details = members(finding['details']);
  const { name, offset, module, address } = members(details['function']);
  const inModule = textIn(module) === undefined ? '' : ` [${textIn(module)}]`;
  const place =
    textIn(name) === undefined || typeof offset !== 'number'
      ? undefined
      : `${textIn(name)}+0x${offset.toString(16)}${inModule}`;
  if (DEAD.includes(detector)) {
    say('log function', place);
    const { pid } = members(details['culprit']);
    say('log pid', typeof pid === 'number' ? String(pid) : undefined);
    return { pid: 0, log: true, detector };
  }
  const oops = OOPSES.includes(detector);
  say('function', place);
  const instruction = members(details['instruction']);
  const at =
    typeof address === 'string' && typeof offset === 'number'
      ? `0x${(BigInt(address) + BigInt(offset)).toString(16)}`
      : undefined;
  say('instruction', instruction['address'] ?? at);
  if (oops) {
    say('bytes', instruction['bytes']);
    say('text', instruction['text']);
    say('operand', instruction['operandAddress']);
    // What the log has no word of is that of the instruction.
    if (instruction['operandAddress'] !== undefined) say('access', details['access']);
    say('log function', place);
    say('log faulting address', details['address']);
    if (
      textIn(details['headline'])?.includes('#PF') === true ||
      details['kind'] === 'null-pointer' ||
      details['kind'] === 'page-fault'
    )
      say('log access', details['access']);
  }
  const task = members(details['task']);
  const cpu = typeof details['cpu'] === 'number' ? String(details['cpu']) : undefined;
  say('cpu', cpu);
  say('comm', task['comm']);
  if (oops) {
    say('log cpu', cpu);
    say('log pid', typeof task['pid'] === 'number' ? String(task['pid']) : undefined);
  }
  return { pid: Number(task['pid'] ?? 0), log: oops, detector };
}
