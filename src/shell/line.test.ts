import { expect, test } from 'vitest';
import { parseLine } from './line.ts';

const texts = (source: string) => parseLine(source)?.words.map(({ text }) => text);

test('words, quotes, comments', () => {
  expect(texts('  ps -G   96 # comment')).toEqual(['ps', '-G', '96']);
  expect(parseLine('# ps')).toBeUndefined();
  expect(parseLine('  ')).toBeUndefined();
  expect(parseLine('ps \'cro.*\' "a b"')?.words).toEqual([
    { text: 'ps', raw: 'ps' },
    { text: 'cro.*', raw: "'cro.*'" },
    { text: 'a b', raw: '"a b"' },
  ]);
  expect(texts('p "a\\"b"')).toEqual(['p', 'a"b']);
  expect(texts('sym a#b')).toEqual(['sym', 'a#b']);
});

test('parentheses keep what is inside of them', () => {
  expect(texts('p ((struct task_struct *)0xff)->mm->total_vm * 4')).toEqual([
    'p',
    '((struct task_struct *)0xff)->mm->total_vm',
    '*',
    '4',
  ]);
  expect(parseLine('p (1 | 2 > 1)')).toMatchObject({ pipe: undefined, file: undefined });
});

test('where output goes', () => {
  expect(parseLine("ps -G | sort -nk8 | tail -3 > 'x y'")).toMatchObject({ pipe: "sort -nk8 | tail -3 > 'x y'" });
  expect(parseLine('log > out')).toMatchObject({ file: { path: 'out', append: false } });
  expect(parseLine("log >> 'my out'")).toMatchObject({ file: { path: 'my out', append: true } });
  expect(parseLine('log>out')).toMatchObject({ file: { path: 'out' } });
  expect(texts('log>out')).toEqual(['log']);
});

test('operators of expressions are none of it', () => {
  for (const source of ['p a->b', 'p a>=b', 'p 1<<3', 'p a||b', 'p a<=b']) {
    expect(parseLine(source)).toMatchObject({ pipe: undefined, file: undefined, input: undefined });
  }
});

test('where arguments and commands come from', () => {
  expect(parseLine('< commands')).toMatchObject({ words: [], input: 'commands' });
  expect(parseLine('struct list_head < addresses')).toMatchObject({ input: 'addresses' });
  expect(parseLine('!ls -l | wc')).toMatchObject({ words: [], system: 'ls -l | wc' });
});

test.each([
  ["ps 'a", "the quote ' is not closed"],
  ['ps |', "nothing stands behind '|'"],
  ['ps >', "no file stands behind '>'"],
  ['ps >>', "no file stands behind '>>'"],
])('%s is refused', (source, message) => {
  expect(() => parseLine(source)).toThrow(message);
});
