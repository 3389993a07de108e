/**
 * The process that runs a target: `node fuzz/child.ts '{"target": ..., ...}'`. It may die of what it runs; the parent
 * (cli.ts) starts another. It stops by itself when its time is over.
 */
import { existsSync, readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { Place, send } from './channel.ts';
import { Executor } from './execute.ts';
import type { Case } from './input.ts';
import { type Finding, Loop } from './loop.ts';
import { minimise } from './minimise.ts';
import { keyOf } from './outcome.ts';
import { findTarget } from './targets/index.ts';
import { endsWithin, takesTooLong } from './watch.ts';

export type ChildTask =
  | {
      readonly task: 'loop';
      readonly target: string;
      readonly seed: string;
      readonly executions: number;
      readonly milliseconds: number;
      readonly hang: number;
      readonly place: string;
      readonly first: boolean;
      readonly corpus: string | undefined;
    }
  | { readonly task: 'replay'; readonly target: string; readonly case: Case; readonly hang: number };

/** Tries of a minimisation, in ordinary failures and in hangs, each of which takes its time. */
const TRIES = 400;
const HANG_TRIES = 12;

async function loop(task: Extract<ChildTask, { task: 'loop' }>): Promise<void> {
  const executor = new Executor(findTarget(task.target));
  const place = new Place(task.place);
  const found: Finding[] = [];
  const running = new Loop(executor, {
    ...task,
    milliseconds: task.milliseconds < 0 ? Infinity : task.milliseconds,
    corpus: readCorpus(task.corpus),
    before: (number, current) => place.write(number, current),
    found: (finding) => found.push(finding),
    rest: async () => {
      await setImmediate();
      for (let next = found.shift(); next !== undefined; next = found.shift()) {
        send({ type: 'finding', finding: task.first ? next : smaller(executor, next, task.hang) });
      }
    },
  });
  await running.run();
  place.close();
  const maxRss = process.resourceUsage().maxRSS * 1024;
  send({ type: 'done', figures: running.figures, corpus: running.corpus, maxRss });
}

function smaller(executor: Executor, finding: Finding, hang: number): Finding {
  const isHang = finding.failure.kind === 'hang';
  const fails = (candidate: Case): boolean => {
    let same = false;
    const attempt = (): void => {
      const { failure } = executor.run(candidate);
      same = failure !== undefined && keyOf(failure) === finding.key;
    };
    return isHang ? takesTooLong(hang, attempt) : endsWithin(hang, attempt) && same;
  };
  return { ...finding, case: minimise(finding.case, { fails, tries: isHang ? HANG_TRIES : TRIES }) };
}

function readCorpus(path: string | undefined): readonly Case[] {
  if (path === undefined || !existsSync(path)) return [];
  return JSON.parse(readFileSync(path, 'utf8')) as Case[];
}

function replay({ target, case: given, hang }: Extract<ChildTask, { task: 'replay' }>): void {
  const executor = new Executor(findTarget(target));
  executor.base(given.base);
  const ended = endsWithin(hang, () => {
    const { kind, signature, failure, ms } = executor.run(given);
    const text = failure === undefined ? `${signature} (${ms.toFixed(1)} ms)` : `${failure.message}\n${failure.stack}`;
    send({ type: 'outcome', kind, key: failure === undefined ? signature : keyOf(failure), text });
  });
  if (!ended) send({ type: 'outcome', kind: 'hang', key: 'hang', text: `still runs after ${hang / 1000} s` });
}

const task = JSON.parse(process.argv[2] ?? '') as ChildTask;
if (task.task === 'loop') await loop(task);
else replay(task);
