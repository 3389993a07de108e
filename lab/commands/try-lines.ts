/**
 * Types lines into a shell on an open dump, as text and as JSON, and notes what must not happen: an error that is none of
 * ours, a line that does not end, letters that a terminal would obey, a status that docs/exit-status.md does not have.
 */
import { CancelledError } from '../../src/base/errors.ts';
import { guard } from '../../src/cli/guard.ts';
import type { Io } from '../../src/cli/io.ts';
import { LineRunner } from '../../src/cli/line-runner.ts';
import type { Command } from '../../src/model/command.ts';
import type { Program } from '../../src/program/program.ts';
import { jsonText, type JsonValue } from '../../src/render/json.ts';
import { Console } from '../../src/shell/execute.ts';
import { makeSession } from '../../src/shell/session.ts';

export type FindingKind = 'internal' | 'hang' | 'bytes' | 'status' | 'died';

export interface Finding {
  readonly kind: FindingKind;
  readonly line: string;
  readonly detail: string;
}

export interface Tried {
  readonly lines: number;
  /** Lines by their status. */
  readonly complete: number;
  readonly partial: number;
  readonly failed: number;
  readonly seconds: number;
  readonly slowest: { readonly line: string; readonly seconds: number };
  readonly findings: readonly Finding[];
}

/** Control, formatting and invisible characters but for line feed and tab: render/escape.ts lets none of them through. */
const FORBIDDEN = /[^\P{C}\n\t]|[\p{Zl}\p{Zp}]/u;
const AROUND = 20;

export interface Trial {
  /** Opens the dump, which whoever gives it closes; again when a line was ended, as nothing of what it was doing may be used any more. */
  readonly open: () => Program;
  readonly commands: readonly Command[];
  /** Milliseconds that one line may take while this process has a processor to itself. */
  readonly limit: number;
  /** Each line as text or as JSON in turn, where there are many dumps; else as both. */
  readonly inTurn?: boolean;
  /** Called before each line. */
  readonly onLine?: (line: string) => void;
}

export async function tryLines(lines: readonly string[], trial: Trial): Promise<Tried> {
  let console = new Console(trial.open(), makeSession(trial.commands, ['vmcore']));
  const findings: Finding[] = [];
  const counts = { 0: 0, 1: 0, 5: 0 };
  let slowest = { line: '', seconds: 0 };
  const begin = performance.now();
  for (const [i, line] of lines.entries()) {
    trial.onLine?.(line);
    const start = performance.now();
    const ways = trial.inTurn === true ? [i % 2 === 1] : [false, true];
    for (const asJson of ways) {
      const outcome = await tryLine(console, line, asJson, trial.limit);
      findings.push(...outcome.findings);
      if (asJson === ways[0] && outcome.status !== undefined) counts[outcome.status]++;
      if (outcome.ended) console = new Console(trial.open(), makeSession(trial.commands, ['vmcore']));
    }
    const seconds = (performance.now() - start) / 1000;
    if (seconds > slowest.seconds) slowest = { line, seconds };
  }
  return {
    lines: lines.length,
    complete: counts[0],
    partial: counts[1],
    failed: counts[5],
    seconds: (performance.now() - begin) / 1000,
    slowest,
    findings,
  };
}

interface Outcome {
  readonly status: 0 | 1 | 5 | undefined;
  readonly findings: readonly Finding[];
  /** The dump has to be opened anew. */
  readonly ended: boolean;
}

async function tryLine(console: Console, line: string, asJson: boolean, limit: number): Promise<Outcome> {
  const shown = asJson ? `${line} (--json)` : line;
  const findings: Finding[] = [];
  const seen = (text: string): void => {
    const at = text.search(FORBIDDEN);
    if (at < 0 || findings.length > 0) return;
    const around = text.slice(Math.max(0, at - AROUND), at + AROUND);
    findings.push({ kind: 'bytes', line: shown, detail: JSON.stringify(around) });
  };
  const json: JsonValue[] = [];
  const runner = new LineRunner({ io: ioOf(seen, limit), console, colour: false, ...(asJson ? { json } : {}) });
  const [cpu, wall] = [process.cpuUsage(), performance.now()];
  try {
    const status = await runner.run(line);
    if (asJson) for (const each of json) seen(jsonText(each));
    const isKnown = status === 0 || status === 1 || status === 5;
    if (!isKnown) findings.push({ kind: 'status', line: shown, detail: String(status) });
    return { status, findings, ended: false };
  } catch (error) {
    if (error instanceof CancelledError) {
      const { user, system } = process.cpuUsage(cpu);
      const busy = ((user + system) / 1e6).toFixed(1);
      const detail = `ended after ${((performance.now() - wall) / 1000).toFixed(1)} s, ${busy} s of a processor`;
      return { status: undefined, findings: [{ kind: 'hang', line: shown, detail }], ended: true };
    }
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { status: undefined, findings: [{ kind: 'internal', line: shown, detail }], ended: false };
  }
}

/** @param seen - gets all that is written */
function ioOf(seen: (text: string) => void, limit: number): Io {
  const sink = {
    isTTY: false,
    columns: undefined,
    write: async (text: string) => seen(text),
    writeNow: seen,
  };
  return {
    stdout: sink,
    stderr: sink,
    readInput: async () => undefined,
    env: {},
    now: () => performance.now(),
    guard: (work, hardLimit) => guard(work, Math.min(hardLimit ?? limit, limit)),
    loadCore: () => Promise.reject(new Error('no report is made here')),
  };
}
