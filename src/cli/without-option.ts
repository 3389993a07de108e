/** `--without btf,orc`: tables of the dump that are left aside, to see what is told without them. */
import type { OpenOptions } from '../program/open.ts';
import { ArgumentsError } from './arguments.ts';

type Without = NonNullable<OpenOptions['without']>;

const TABLES = { btf: 'BTF', orc: 'ORC' } as const;

/** @throws ArgumentsError */
export function withoutOf(value: string | true | undefined): Without {
  if (typeof value !== 'string') return [];
  return value.split(',').map((word) => {
    const name = word.trim().toLowerCase();
    if (name === 'btf' || name === 'orc') return TABLES[name];
    throw new ArgumentsError(`--without ${value}: must be btf, orc, or both with a comma between`);
  });
}
