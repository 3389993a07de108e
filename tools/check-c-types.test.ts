import { expect, it } from 'vitest';
import { struct, TypeWords, union } from '../test/builders/types.ts';
import { differences } from './check-c-types.ts';

function words(second: string, kind: 'struct' | 'union' = 'struct'): TypeWords {
  const types = new TypeWords();
  types.enum('era', ['OLD', 'NEW']);
  const inner = { first: 'short', second };
  types.struct('lock', { count: 'int:3', next: 'struct lock *', $1: kind === 'struct' ? struct(inner) : union(inner) });
  types.typedef('lock_t', 'struct lock');
  return types;
}

it('finds what differs between two layouts, also in a member that has no name', () => {
  const names = ['struct lock', 'typedef lock_t', 'enum era'];
  expect(differences(names, words('int'), words('int'))).toEqual([]);
  expect(differences(names, words('int'), words('unsigned int'))).toEqual([expect.stringMatching(/^struct lock:/)]);
  expect(differences(names, words('int'), words('short'))).toEqual([expect.stringMatching(/^struct lock:/)]);
  expect(differences(names, words('int'), words('int', 'union'))).toEqual([expect.stringMatching(/^struct lock:/)]);
});

it('finds another value of an enumerator, and a type that only one has', () => {
  const other = new TypeWords();
  other.enum('era', { OLD: 0, NEW: 2 });
  expect(differences(['enum era', 'struct lock'], words('int'), other)).toEqual([
    expect.stringMatching(/^enum era:/),
    'struct lock: only we have it',
  ]);
});
