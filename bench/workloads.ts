/** Runs the commands of a workload in turn, round after round, and makes rows of the table of what was measured. */
import type { Meter, Run } from './measure.ts';
import { duration, median, medianRatio, size } from './statistics.ts';
import type { Bar } from './works.ts';

export interface Contender {
  readonly name: string;
  readonly work: string;
  readonly command: readonly string[];
  /** Undefined when a run did what it should, else what was wrong. */
  readonly failure: (run: Run) => string | undefined;
  /** For a peer: the most that kwhy may take of its time and memory. */
  readonly bar?: Bar | undefined;
}

export interface Measured {
  readonly contender: Contender;
  readonly runs: readonly Run[];
  /** Why there are no more runs. */
  readonly failed: string | undefined;
}

/** Fails for a status that is not among these. */
export function unlessStatus(...good: readonly number[]): (run: Run) => string | undefined {
  return ({ status, stderr }) => {
    if (status !== null && good.includes(status)) return undefined;
    const last = stderr.trim().split('\n').at(-1) ?? '';
    return `${status === null ? 'not run to its end' : `status ${status}`}${last === '' ? '' : `: ${last}`}`;
  };
}

/**
 * One uncounted round, which also fills the machine's page cache, then `rounds` in which each contender runs once: what
 * slows the machine for a while hits all of them. One that fails is not run again.
 */
export function measureInTurn(meter: Meter, contenders: readonly Contender[], rounds: number): readonly Measured[] {
  const states = contenders.map((contender) => ({ contender, runs: new Array<Run>(), failed: '' }));
  for (let round = 0; round <= rounds; round++) {
    for (const state of states) {
      if (state.failed !== '') continue;
      const run = meter.run(state.contender.command);
      const failed = state.contender.failure(run);
      if (failed !== undefined) state.failed = failed;
      else if (round > 0) state.runs.push(run);
    }
  }
  return states.map(({ failed, ...rest }) => ({ ...rest, failed: failed === '' ? undefined : failed }));
}

export const HEAD = ['process', 'work', 'wall', 'min to max', 'CPU', 'peak memory'] as const;

/** Median of one figure; NaN where it was not measured. */
export function medianOf(measured: Measured, figure: 'wall' | 'cpu' | 'peak'): number {
  return median(measured.runs.map((run) => run[figure] ?? Number.NaN));
}

export function rowOf(measured: Measured): readonly string[] {
  const { contender, runs, failed } = measured;
  if (failed !== undefined) return [contender.name, contender.work, `failed, ${failed}`, '', '', ''];
  const walls = runs.map((run) => run.wall);
  const statuses = new Set(runs.map((run) => run.status).filter((status) => status !== 0));
  return [
    contender.name,
    contender.work + (statuses.size === 0 ? '' : ` (exit status ${[...statuses].join(', ')})`),
    duration(medianOf(measured, 'wall')),
    `${duration(Math.min(...walls))} to ${duration(Math.max(...walls))}`,
    duration(medianOf(measured, 'cpu')),
    size(medianOf(measured, 'peak')),
  ];
}

export const RATIO_HEAD = ['kwhy / peer', 'wall', 'bar', 'CPU', 'peak memory', 'bar'] as const;

function ratioText(value: number): string {
  return Number.isFinite(value) ? value.toFixed(3) : 'not measured';
}

function verdict(value: number, bar: number | undefined): string {
  if (bar === undefined || !Number.isFinite(value)) return '';
  return `${bar}, ${value <= bar ? 'met' : 'MISSED'}`;
}

/** kwhy beside one peer, both without what only starting them takes. */
export function afterStartRow(
  kwhy: Measured,
  peer: Measured,
  starts: readonly [Measured, Measured],
): readonly string[] {
  const ratio = (figure: 'wall' | 'cpu'): number => {
    const beyond = (all: Measured, start: Measured): number => medianOf(all, figure) - medianOf(start, figure);
    const [own, its] = [beyond(kwhy, starts[0]), beyond(peer, starts[1])];
    // On a busy machine a start may take longer than the whole, and then nothing is known.
    return own > 0 && its > 0 ? own / its : Number.NaN;
  };
  const [wall, cpu] = [ratio('wall'), ratio('cpu')];
  const name = `kwhy / ${peer.contender.name}, after the start`;
  return [name, ratioText(wall), verdict(wall, peer.contender.bar?.afterStart), ratioText(cpu), '', ''];
}

/** kwhy beside one peer: medians of the ratios of each round. */
export function ratioRow(kwhy: Measured, peer: Measured): readonly string[] {
  const ratio = (figure: 'wall' | 'cpu' | 'peak'): number =>
    medianRatio(
      kwhy.runs.map((run) => run[figure] ?? Number.NaN),
      peer.runs.map((run) => run[figure] ?? Number.NaN),
    );
  const [time, cpu, memory] = [ratio('wall'), ratio('cpu'), ratio('peak')];
  const { bar } = peer.contender;
  return [
    `kwhy / ${peer.contender.name}`,
    ratioText(time),
    verdict(time, bar?.time),
    ratioText(cpu),
    ratioText(memory),
    verdict(memory, bar?.memory),
  ];
}
