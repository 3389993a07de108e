/**
 * A panic of the OOM killer itself: why it stopped the machine instead of ending a process, and which processes it could
 * not choose.
 */
import { attempt } from '../../base/errors.ts';
import { OOM_SCORE_ADJ_MIN, oomScoreAdj } from '../../kernel/oom.ts';
import type { Task } from '../../kernel/sched.ts';
import { defineFact } from '../../model/diagnosis.ts';
import { type RssGroup, rssFact } from './rss.ts';
import { triggerFact } from './trigger.ts';

export interface OomPanic {
  /** `no-victim`: nobody was left to kill; `by-setting`: vm.panic_on_oom asks for it. */
  readonly why: 'no-victim' | 'by-setting';
  /** The text behind 'Kernel panic - not syncing: '. */
  readonly text: string;
  /** The largest process of each command name that holds much, and its oom_score_adj; largest first. */
  readonly largest: readonly OomProcess[];
  /** False when processes are missing: then somebody else may hold more. */
  readonly whole: boolean;
}

export interface OomProcess {
  readonly task: Task;
  readonly group: RssGroup;
  /** Undefined when it cannot be read. */
  readonly scoreAdj: number | undefined;
  readonly exempt: boolean;
}

const MAX_PROCESSES = 5;

/** Texts of mm/oom_kill.c; the first since 2.6.x in both spellings, the second with the setting's name. */
const NO_VICTIM = /^(System is deadlocked on memory|Out of memory and no killable processes)/;
const BY_SETTING = /^Out of memory: .*panic_on_oom/;

/** Undefined when the crash was no OOM panic. */
export const oomPanicFact = defineFact<OomPanic | undefined>({
  id: 'oom-panic',
  derive({ program, use }) {
    const text = use(triggerFact)?.panic;
    if (text === undefined || !(NO_VICTIM.test(text) || BY_SETTING.test(text))) return undefined;
    const rss = attempt(() => use(rssFact));
    const groups = rss?.groups ?? [];
    const largest = groups.slice(0, MAX_PROCESSES).map((group): OomProcess => {
      const scoreAdj = attempt(() => oomScoreAdj(program, group.largest.address));
      return { task: group.largest, group, scoreAdj, exempt: scoreAdj === OOM_SCORE_ADJ_MIN };
    });
    return { why: NO_VICTIM.test(text) ? 'no-victim' : 'by-setting', text, largest, whole: rss?.whole === true };
  },
});
