/**
 * The kernel crashed of its own fault: a NULL or wild pointer, a BUG(). Says which instruction of which function in whose
 * name, from the log, and confirms it in memory: the task is there, and its stack stands in that function. An oops that
 * the machine survived is not told as the cause of what came later.
 */
import { defineDetector } from '../../model/diagnosis.ts';
import type { Confidence, Evidence, Finding, StoryLine } from '../../model/finding.ts';
import { address, type Data, duration, name, prose, type Prose, symbol, task as taskValue } from '../../model/value.ts';
import type { OopsKind } from '../../kernel/oops.ts';
import { fatalOopsFact, type FatalOops } from '../facts/oopses.ts';

export default defineDetector({
  id: 'kernel-oops',
  title: 'Crash of the kernel itself',
  summary: 'A bad pointer or a BUG() in the kernel or a module stops the machine; the log tells where.',
  needs: { fatal: fatalOopsFact },
  appliesTo: () => true,
  run: ({ fatal }) => (fatal === undefined ? [] : [findingOf(fatal)]),
});

const CAUSES: { readonly [K in OopsKind]: string } = {
  'null-pointer': 'null-pointer-dereference',
  'page-fault': 'bad-pointer-dereference',
  'general-protection': 'general-protection-fault',
  bug: 'kernel-bug',
  other: 'kernel-oops',
};

function whatHappened({ oops }: FatalOops): Prose {
  const verb =
    oops.access === 'write' ? 'wrote through' : oops.access === 'execute' ? 'jumped through' : 'read through';
  switch (oops.kind) {
    case 'null-pointer':
      return prose`${verb} a NULL pointer${oops.address === undefined ? '' : prose` (address ${address(oops.address)})`}`;
    case 'page-fault':
      return prose`${verb} a bad pointer${oops.address === undefined ? '' : prose` (address ${address(oops.address)})`}`;
    case 'general-protection':
      return ['used an address that cannot be one'];
    case 'bug':
      return ['met a BUG() check'];
    case 'other':
      return ['failed'];
  }
}

function whereText({ oops: { at } }: FatalOops): Prose {
  if (at === undefined) return ['a function that the log does not name'];
  const module = at.module === undefined ? '' : prose` of module ${name(at.module)}`;
  return prose`${symbol(`${at.func}+0x${at.offset.toString(16)}`)}${module}`;
}

function findingOf(fatal: FatalOops): Finding {
  const { oops, func, task, onStack } = fatal;
  const confidence: Confidence = onStack ? 'certain' : 'probable';
  const who = task === undefined ? (oops.comm === undefined ? undefined : name(oops.comm)) : taskValue(task);
  const because: Prose = ['only the log says so; the stack of its task does not stand there'];
  const story: StoryLine[] = [
    { topic: 'what', text: prose`${whereText(fatal)} ${whatHappened(fatal)}.` },
    ...(who === undefined
      ? []
      : [
          {
            topic: 'holder' as const,
            text: prose`It ran for ${who}${oops.cpu === undefined ? '' : ` on CPU ${oops.cpu}`}.`,
          },
        ]),
    ...(oops.timeNs === undefined
      ? []
      : [{ topic: 'since' as const, text: prose`${duration(oops.timeNs)} after boot.` }]),
    { topic: 'clears', text: ['No: the kernel stopped.'] },
  ];
  return {
    detector: 'kernel-oops',
    cause: CAUSES[oops.kind],
    role: 'cause',
    title: prose`The kernel crashed: ${whereText(fatal)} ${whatHappened(fatal)}${who === undefined ? '' : prose`, running for ${who}`}.`,
    confidence,
    ...(onStack ? {} : { because }),
    weight: 1,
    story,
    evidence: evidenceOf(fatal),
    remedies:
      oops.at?.module === undefined
        ? []
        : [
            {
              action: prose`Unload or update the module ${name(oops.at.module)}, and report this to whoever makes it.`,
            },
          ],
    details: {
      kind: oops.kind,
      address: oops.address === undefined ? undefined : address(oops.address),
      access: oops.access,
      function: oops.at === undefined ? undefined : functionData(fatal),
      task: task === undefined ? undefined : taskValue(task),
      culprit: task === undefined ? undefined : taskValue(task),
      cpu: oops.cpu,
      onStack,
      headline: name(oops.headline),
      resource: func === undefined ? undefined : address(func),
    },
  };
}

function functionData({ oops: { at }, func }: FatalOops): Data {
  return {
    name: at?.func,
    offset: at?.offset,
    module: at?.module,
    address: func === undefined ? undefined : address(func),
  };
}

function evidenceOf({ oops, func, task, onStack }: FatalOops): Evidence[] {
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
