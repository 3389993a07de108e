import { expect, it } from 'vitest';
import { quotedName } from './wait-others.ts';

it('a name cannot be taken for the words around it', () => {
  expect(quotedName('/run/user/0/bus')).toBe('/run/user/0/bus');
  expect(quotedName('socket:[12]')).toBe('socket:[12]');
  expect(quotedName('x); nobody waits')).toBe("'x); nobody waits'");
  expect(quotedName("a 'quoted' one")).toBe(String.raw`'a \x27quoted\x27 one'`);
  expect(quotedName('y'.repeat(4000)).length).toBe(103);
});
