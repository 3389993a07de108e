/**
 * A real kernel whose BTF is gone, as if it had none: tasks and stacks are the same as with types, and what is missing is
 * said.
 */
import { describe, expect, it } from 'vitest';
import { unlimited } from '../../src/base/budget.ts';
import { pageNumber } from '../../src/base/address.ts';
import { diagnose } from '../../src/diagnosis/engine.ts';
import { memorySource } from '../../src/dump/byte-source.ts';
import { openSource } from '../../src/dump/open.ts';
import { readTasks, type Task } from '../../src/kernel/sched.ts';
import { taskStack } from '../../src/kernel/stack.ts';
import type { Report } from '../../src/model/report.ts';
import { programOf } from '../../src/program/open.ts';
import type { Program } from '../../src/program/program.ts';
import { kdumpFile } from '../builders/kdump-file.ts';
import { sampleSpec } from '../builders/sample.ts';

const spec = sampleSpec();
const open = (file: Uint8Array): Program => programOf(openSource(memorySource(file), 'sample'));
const whole = open(kdumpFile(spec));

function withoutTypes(): Program {
  const { address: start } = whole.symbol('__start_BTF');
  const { address: end } = whole.symbol('__stop_BTF');
  const pages = new Map(spec.pages);
  for (let at = start; at < end; at = (at + 4096n) as typeof at)
    pages.set(pageNumber(whole.memory.translate(at), 12), new Uint8Array(4096));
  return open(kdumpFile({ ...spec, pages }));
}

/** Without what only types tell: times. */
function told(program: Program, task: Task): unknown {
  const { address, pid, tgid, comm, state, kthread, realParent, groupLeader, mm, running, idle } = task;
  const { frames, end } = taskStack(program, task);
  const pcs = frames.map((frame) => `${frame.pc.toString(16)} ${frame.func}`);
  return { address, pid, tgid, comm, state, kthread, realParent, groupLeader, mm, running, idle, end, pcs };
}

function reportOf(program: Program): Report {
  const steps = diagnose(program, unlimited);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

describe('a kernel without types', () => {
  const program = withoutTypes();

  it('has the same tasks, with the same stacks', () => {
    const expected = readTasks(whole);
    const found = readTasks(program);
    expect([found.expected, found.problems]).toEqual([expected.expected, []]);
    expect(found.tasks.length).toBeGreaterThan(150);
    expect(found.tasks.map((task) => told(program, task))).toEqual(expected.tasks.map((task) => told(whole, task)));
  });

  it('has a report that says what would give the rest', () => {
    const report = reportOf(program);
    expect(report.complete).toBe(false);
    expect(report.problems.join('\n')).toMatch(
      /the rest needs vmlinux-6\.1\.0-56-cloud-amd64 with debug information, of build id 3b43fad5[0-9a-f]{32},/,
    );
    expect(report.coverage.find(({ what }) => what === 'log records')?.read).toBeGreaterThan(300);
    expect(report.findings.filter(({ confidence }) => confidence === 'certain')).toEqual([]);
    const skipped = report.checks.filter(({ status }) => status === 'skipped').map(({ detector }) => detector);
    expect(skipped).toEqual(expect.arrayContaining(['lock-pileup', 'memory-shortage']));
    expect(report.checks.filter(({ status }) => status === 'failed')).toEqual([]);
  });
});
