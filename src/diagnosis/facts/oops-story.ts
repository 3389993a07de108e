/** What is told alike of every crash of the kernel itself: where, for whom, when, and the evidence of it. */
import type { Evidence, Finding, StoryLine } from '../../model/finding.ts';
import { address, type Data, duration, name, prose, type Prose, symbol, task as taskValue } from '../../model/value.ts';
import type { OopsPlace } from '../../kernel/oops.ts';
import type { FatalOops } from './oopses.ts';

/** 'foo+0x12 of module bar'. */
export function placeText(at: OopsPlace | undefined): Prose {
  if (at === undefined) return ['a function that the log does not name'];
  const module = at.module === undefined ? '' : prose` of module ${name(at.module)}`;
  return prose`${symbol(`${at.func}+0x${at.offset.toString(16)}`)}${module}`;
}

/** For whom it ran; undefined when nothing says so. */
export function whoText({ oops, task }: FatalOops): Prose | undefined {
  if (task !== undefined) return prose`${taskValue(task)}`;
  return oops.comm === undefined ? undefined : prose`${name(oops.comm)}`;
}

/** Lines for whom it ran, when, and that it does not clear. */
export function aroundLines(fatal: FatalOops): StoryLine[] {
  const { oops } = fatal;
  const who = whoText(fatal);
  const cpu = oops.cpu === undefined ? '' : ` on CPU ${oops.cpu}`;
  return [
    ...(who === undefined ? [] : [{ topic: 'holder' as const, text: prose`It ran for ${who}${cpu}.` }]),
    ...(oops.timeNs === undefined
      ? []
      : [{ topic: 'since' as const, text: prose`${duration(oops.timeNs)} after boot.` }]),
    { topic: 'clears', text: ['No: the kernel stopped.'] },
  ];
}

/** The log, and the stack of the task. */
export function oopsEvidence({ oops, func, task, onStack }: FatalOops): Evidence[] {
  const out: Evidence[] = [
    {
      claim: prose`The log says: ${name(oops.headline)}`,
      address: func,
      ctype: func === undefined ? undefined : 'function',
      confidence: 'certain',
      show: 'log',
    },
  ];
  if (task !== undefined && oops.at !== undefined) {
    const stands = onStack ? 'stands' : 'does not stand any more';
    out.push({
      claim: prose`The stack of ${taskValue(task)} ${stands} at this instruction, cut by the exception.`,
      address: task.address,
      ctype: 'struct task_struct',
      confidence: 'certain',
      show: `bt ${task.pid}`,
    });
  }
  return out;
}

/** Members of `details` that all crashes have. */
export function oopsDetails({ oops, func, task, onStack }: FatalOops): Finding['details'] {
  const { at } = oops;
  const where: Data =
    at === undefined
      ? undefined
      : {
          name: at.func,
          offset: at.offset,
          module: at.module,
          address: func === undefined ? undefined : address(func),
        };
  return {
    address: oops.address === undefined ? undefined : address(oops.address),
    access: oops.access,
    function: where,
    task: task === undefined ? undefined : taskValue(task),
    culprit: task === undefined ? undefined : taskValue(task),
    cpu: oops.cpu,
    onStack,
    headline: name(oops.headline),
  };
}

/** Whose code it is, when it is a module's. */
export function moduleRemedy(module: string | undefined): Finding['remedies'] {
  if (module === undefined) return [];
  return [{ action: prose`Unload or update the module ${name(module)}, and report this to whoever makes it.` }];
}
