/**
 * The one encoder of JSON. Whatever reaches `JSON.stringify` has the type `JsonValue`, which knows neither bigint nor
 * undefined: addresses become hex strings, unknown members are left out. How each value looks is in
 * docs/json-schema.md.
 */
import { hex } from '../base/address.ts';
import { seconds } from '../base/units.ts';
import type { Data, Value } from '../model/value.ts';
import { escapeJson } from './escape.ts';
import { formatWallClock } from './quantities.ts';

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** An object without the members that are unknown. Keys may be anything, `__proto__` too. */
export function jsonObject(members: { readonly [key: string]: JsonValue | undefined }): JsonValue {
  const known: [string, JsonValue][] = [];
  for (const [key, value] of Object.entries(members)) if (value !== undefined) known.push([key, value]);
  return Object.fromEntries(known);
}

/** NaN and infinity are unknown: JSON has no word for them. */
function finite(value: number): number | undefined {
  return Number.isFinite(value) ? value : undefined;
}

export function encodeValue(value: Value): JsonValue | undefined {
  switch (value.kind) {
    case 'address':
      return hex(value.value);
    case 'count':
    case 'bytes':
    case 'ratio':
      return finite(value.value);
    case 'duration':
      return { ns: value.ns.toString(), seconds: seconds(value.ns) };
    case 'wall-clock':
      return jsonObject({ seconds: finite(value.seconds), utc: formatWallClock(value.seconds) });
    case 'task':
      return jsonObject({ pid: finite(value.pid), comm: value.comm, task: hex(value.address) });
    case 'name':
    case 'symbol':
    case 'ctype':
    case 'command':
      return value.value;
    case 'spark':
      return value.counts.map((each) => finite(each) ?? null);
  }
}

/** What `value`, `ns`, `seconds` ... of each kind of value is. */
const fields: { readonly [K in Value['kind']]: readonly (readonly [string, string])[] } = {
  address: [['value', 'bigint']],
  count: [['value', 'number']],
  bytes: [['value', 'number']],
  ratio: [['value', 'number']],
  duration: [['ns', 'bigint']],
  'wall-clock': [['seconds', 'number']],
  task: [
    ['pid', 'number'],
    ['comm', 'string'],
    ['address', 'bigint'],
  ],
  name: [['value', 'string']],
  symbol: [['value', 'string']],
  ctype: [['value', 'string']],
  command: [['value', 'string']],
  spark: [['counts', 'object']],
};

/** True for a value; false for a detail that merely has a member named `kind`, such as the kind of a lock. */
function isValue(data: object): data is Value {
  const members = new Map<string, unknown>(Object.entries(data));
  const kind = members.get('kind');
  const wanted = Object.entries(fields).find(([name]) => name === kind)?.[1];
  return (
    wanted !== undefined &&
    members.size === wanted.length + 1 &&
    wanted.every(([member, type]) => typeof members.get(member) === type)
  );
}

function isList(data: object): data is readonly Data[] {
  return Array.isArray(data);
}

/** A tree of details; undefined when it says nothing. In lists, what is unknown is null. */
export function encodeData(data: Data): JsonValue | undefined {
  if (typeof data === 'number') return finite(data);
  if (data === undefined || typeof data !== 'object') return data;
  if (isList(data)) return data.map((item) => encodeData(item) ?? null);
  if (isValue(data)) return encodeValue(data);
  return jsonObject(Object.fromEntries(Object.entries(data).map(([key, value]) => [key, encodeData(value)])));
}

/** The text of a JSON document, harmless on a terminal, ended by a newline. */
export function jsonText(value: JsonValue): string {
  return `${escapeJson(JSON.stringify(value, null, 2))}\n`;
}
