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
const OOPSES = ['kernel-oops', 'use-after-free', 'list-corruption', 'stack-overflow'];
const LOCKUPS = ['soft-lockup', 'hard-lockup', 'rcu-stall'];
const DEAD = ['dead-lock-owner'];

/** Who is to be asked: the task whose stack stands there, and whether the log tells of it. */
export interface CrashQuestion {
  /** 0 for a task that is no more. */
  readonly pid: number;
  readonly log: boolean;
}

type Members = { readonly [key: string]: unknown };
const members = (value: unknown): Members => (typeof value === 'object' && value !== null ? (value as Members) : {});
const textIn = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** Says what we know of the crash. @returns undefined when the machine did not crash of itself */
export function sayCrash(program: Program, answers: Answers): CrashQuestion | undefined {
  const steps = diagnose(program, unlimited);
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  const report = members(JSON.parse(reportJson(step.value)));
  const findings = (Array.isArray(report['findings']) ? report['findings'] : []).map(members);
  const all = [...OOPSES, ...LOCKUPS, ...DEAD];
  const finding = findings.find(({ detector }) => all.includes(String(detector)));
  if (finding === undefined) return undefined;
  const detector = String(finding['detector']);
  const details = members(finding['details']);
  const say = (key: string, value: unknown): void => answers.say('crash', key, textIn(value));
  const { name, offset, module, address } = members(details['function']);
  const inModule = textIn(module) === undefined ? '' : ` [${textIn(module)}]`;
  const place =
    textIn(name) === undefined || typeof offset !== 'number'
      ? undefined
      : `${textIn(name)}+0x${offset.toString(16)}${inModule}`;
  if (DEAD.includes(detector)) {
    say('log function', place);
    return { pid: 0, log: true };
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
  return { pid: Number(members(details['task'])['pid'] ?? 0), log: oops };
}
