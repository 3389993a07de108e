/**
 * Numbers as people read them: durations, counts, ratios, dates; sizes are in base/byte-size.ts. The exact number is in the JSON; here it is
 * rounded to what can be grasped. A number that is none (NaN, infinite) is shown as `?`.
 */
const unknown = '?';

function group(digits: string): string {
  return digits.replace(/\B(?=(?:\d{3})+$)/g, ',');
}

/** 51, 9999, 10,000, -4,042,945: separators from 10,000 up. */
export function formatCount(value: number): string {
  if (!Number.isFinite(value)) return unknown;
  if (!Number.isSafeInteger(value)) return Number.isInteger(value) ? BigInt(value).toString() : String(value);
  const digits = Math.abs(value).toString();
  return (value < 0 ? '-' : '') + (digits.length > 4 ? group(digits) : digits);
}

const SECOND = 1_000_000_000n;
const MINUTE = 60n;
const HOUR = 60n * MINUTE;
const DAY = 24n * HOUR;

function tenths(ns: bigint): string {
  const rounded = (ns * 10n + SECOND / 2n) / SECOND;
  return `${rounded / 10n}.${rounded % 10n}`;
}

/** The two largest units of whole seconds: `2 h 13 min`. */
function rough(total: bigint): string {
  const parts: string[] = [];
  for (const [size, label] of [
    [DAY, 'd'],
    [HOUR, 'h'],
    [MINUTE, 'min'],
    [1n, 's'],
  ] as const) {
    const n = total / size;
    total %= size;
    if (n > 0n || parts.length > 0) parts.push(`${n} ${label}`);
    if (parts.length === 2) break;
  }
  return parts.filter((part) => !part.startsWith('0 ')).join(' ');
}

/** Nanoseconds as 12 ms, 7.5 s (up to 120 s), 2 h 13 min (8012.3 s). */
export function formatDuration(ns: bigint): string {
  if (ns < 0n) return `-${formatDuration(-ns)}`;
  const ms = (ns + 500_000n) / 1_000_000n;
  if (ms === 0n && ns > 0n) return '<1 ms';
  if (ms < 1000n) return `${ms} ms`;
  if (ns <= 120n * SECOND) return `${tenths(ns)} s`;
  return `${rough(ns / SECOND)} (${tenths(ns)} s)`;
}

const MS = 1_000_000n;
const UNITS = [
  [SECOND * DAY, 'd'],
  [SECOND * HOUR, 'h'],
  [SECOND * MINUTE, 'min'],
] as const;

/** A multiple of a step in all its units, with nothing finer than the step: 13 h 59 min 30 s, 2.5 s, 200 ms, 0 s. */
export function formatEdge(ns: bigint, step: bigint): string {
  if (ns < 0n) return `-${formatEdge(-ns, step)}`;
  if (ns > 0n && ns < SECOND) return `${ns / MS} ms`;
  const parts: string[] = [];
  let rest = ns;
  for (const [size, label] of UNITS) {
    if (rest >= size) parts.push(`${rest / size} ${label}`);
    rest %= size;
  }
  const digits = step >= SECOND ? 0 : step >= 100n * MS ? 1 : 3;
  if (rest > 0n || parts.length === 0) parts.push(`${(Number(rest / MS) / 1000).toFixed(digits)} s`);
  return parts.join(' ');
}

/** 0.6 -> 60 %, 0.052 -> 5.2 %. Something is never shown as nothing, nor nearly all as all. */
export function formatRatio(value: number): string {
  if (!Number.isFinite(value)) return unknown;
  if (value < 0) return `-${formatRatio(-value)}`;
  const percent = value * 100;
  if (percent > 0 && percent < 0.05) return '<0.1 %';
  if (percent > 99.9 && percent < 100) return '>99.9 %';
  const fine = percent < 9.95 || (percent >= 99.5 && percent < 100);
  return `${percent.toFixed(fine ? 1 : 0).replace(/\.0$/, '')} %`;
}

/** Seconds since the epoch as 2026-11-23T09:00:00Z. */
export function formatWallClock(seconds: number): string {
  const date = new Date(Math.floor(seconds) * 1000);
  if (Number.isNaN(date.getTime())) return Number.isFinite(seconds) ? `${seconds} s after 1970` : unknown;
  return date.toISOString().replace('.000Z', 'Z');
}
