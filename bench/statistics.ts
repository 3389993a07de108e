/** Figures of repeated runs: medians, and ratios taken round by round, so that a machine that slows down hits both. */

/** @returns NaN for no values */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** Median of `a[i] / b[i]`. */
export function medianRatio(a: readonly number[], b: readonly number[]): number {
  return median(a.slice(0, b.length).map((value, i) => value / (b[i] ?? Number.NaN)));
}

/** '172 ms', '3.13 s'. */
export function duration(ms: number): string {
  if (!Number.isFinite(ms)) return 'not measured';
  return ms < 999.5 ? `${ms < 9.95 ? ms.toFixed(1) : ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

/** '97.6 MiB', '240 KiB'. */
export function size(bytes: number | undefined): string {
  if (bytes === undefined || !Number.isFinite(bytes)) return 'not measured';
  const kib = bytes / 1024;
  return kib < 1000 ? `${kib.toFixed(0)} KiB` : `${(kib / 1024).toFixed(kib < 102_400 ? 1 : 0)} MiB`;
}

/** A Markdown table, padded so that it reads well as it is. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${widths.map((width, column) => (cells[column] ?? '').padEnd(width)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}
