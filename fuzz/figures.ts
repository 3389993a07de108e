/** The figures of a run, as a table and as JSON. */
import { spawnSync } from 'node:child_process';
import type { TargetFigures } from './campaign.ts';

const MIB = 2 ** 20;
const KINDS = ['value', 'format', 'fault', 'lookup', 'validation', 'usage'];

export function figuresTable(all: readonly TargetFigures[]): string {
  const head = [
    'target',
    'executions',
    '/s',
    ...KINDS,
    'failed',
    'slowest ms',
    'alloc MiB',
    'RSS MiB',
    'corpus',
    'outcomes',
  ];
  const rows = all.map((figures) => {
    const { outcomes } = figures;
    return [
      figures.target,
      figures.executions,
      Math.round(figures.executions / Math.max(0.001, figures.seconds)),
      ...KINDS.map((kind) => outcomes[kind] ?? 0),
      figures.findings,
      figures.slowest.ms.toFixed(0),
      (figures.mostAllocated / MIB).toFixed(1),
      (figures.maxRss / MIB).toFixed(0),
      figures.corpus,
      figures.novel,
    ].map(String);
  });
  const sum = all.reduce((total, { executions }) => total + executions, 0);
  const found = all.reduce((total, { keys }) => total + keys.length, 0);
  const seconds = all.reduce((total, figures) => total + figures.seconds, 0);
  return `${columns([head, ...rows])}\n${sum} executions in ${seconds.toFixed(0)} s, ${found} findings\n`;
}

/** Columns as wide as their widest cell; the first to the left, numbers to the right. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0))) ?? [];
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  ');
  return rows.map((row) => `${line(row).trimEnd()}\n`).join('');
}

/** Of the sources that ran: short, with '+' when they differ from it; undefined outside of a checkout. */
export function commit(): string | undefined {
  const git = (...args: readonly string[]): string | undefined => {
    const { status, stdout } = spawnSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8' });
    return status === 0 ? stdout.trim() : undefined;
  };
  const head = git('rev-parse', '--short', 'HEAD');
  const changed = git('status', '--porcelain', '--untracked-files=no', '--', '../src', '../fuzz', '../test');
  return head === undefined ? undefined : `${head}${changed === '' ? '' : '+'}`;
}

export function figuresJson(seed: string, all: readonly TargetFigures[]): string {
  const targets = all.map(({ slowest, ...figures }) => ({
    ...figures,
    slowestMs: slowest.ms,
    slowestCase: slowest.case,
  }));
  return `${JSON.stringify({ commit: commit(), seed, node: process.version, targets }, null, 2)}\n`;
}
