/** Text in the way of crash: bare hex, times, and numbers of any size as data. */
import { type Cell, shown } from '../model/shape.ts';
import { type Data, ratio } from '../model/value.ts';

/** 16 hex digits without `0x`. */
export function hex16(value: bigint): string {
  return BigInt.asUintN(64, value).toString(16).padStart(16, '0');
}

/** An integer for JSON: a number as long as that is exact, else its decimal digits. */
export function integer(value: bigint): Data {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
}

/** '00:00:11', '2 days, 03:04:05'. */
export function clockTime(ns: bigint): string {
  const total = ns / 1_000_000_000n;
  const days = total / 86_400n;
  const two = (value: bigint): string => String(value).padStart(2, '0');
  const time = `${two((total / 3600n) % 24n)}:${two((total / 60n) % 60n)}:${two(total % 60n)}`;
  return days === 0n ? time : `${days} days, ${time}`;
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** Seconds since 1970 as `Mon Nov 23 02:41:26 UTC 2026`; as a number where no calendar has it. */
export function dateText(seconds: number): string {
  const date = new Date(Math.floor(seconds) * 1000);
  if (Number.isNaN(date.getTime())) return `${seconds} s after 1970`;
  const time = date.toISOString().slice(11, 19);
  const day = String(date.getUTCDate()).padStart(2);
  return `${DAYS[date.getUTCDay()]} ${MONTHS[date.getUTCMonth()]} ${day} ${time} UTC ${date.getUTCFullYear()}`;
}

/** KiB of a number of bytes, rounded down. */
export function kib(bytes: number): number {
  return Math.floor(bytes / 1024);
}

/** As crash: '309.7 MB', '2 GB', '12 KB', '0': units of 1024, one digit, none when it is 0. */
export function sizeText(bytes: number): string {
  if (bytes === 0) return '0';
  if (bytes < 2 ** 20) return `${Math.floor(bytes / 1024)} KB`;
  const [size, unit] = bytes >= 2 ** 30 ? [bytes / 2 ** 30, 'GB'] : [bytes / 2 ** 20, 'MB'];
  return `${size.toFixed(1).replace(/\.0$/, '')} ${unit}`;
}

/** '4.2' of a whole. */
export function percent(part: number, whole: number): Cell {
  return whole === 0
    ? undefined
    : shown(((part / whole) * 100).toFixed(part / whole < 0.1 ? 2 : 1), ratio(part / whole));
}
