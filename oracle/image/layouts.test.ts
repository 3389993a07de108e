import { describe, expect, it } from 'vitest';
import { declaredName, paholeAnswers } from './layouts.ts';

describe('a declaration', () => {
  it.each([
    ['int (*open)(struct inode *)', 'open', '0'],
    ['void * (*const constructor)(void)', 'constructor', '0'],
    ['int (*constructor)(struct neighbour *)', 'constructor', '0'],
    ['u8 pad[3][2]', 'pad', '0'],
    ['unsigned int in_execve:1', 'in_execve', '1'],
    [' __attribute__((__aligned__(8))) u', 'u', '0'],
    [' links __attribute__((__aligned__(8)))[15] __attribute__((__aligned__(8)))', 'links', '0'],
    ['struct __filename_head', '', '0'],
    ['', '', '0'],
  ])('%s', (text, name, width) => {
    expect(declaredName(text)).toEqual({ name, width });
  });
});

describe("pahole's output", () => {
  it('becomes layouts, structs without names opened, pointers to them not', () => {
    const text = [
      'struct a {',
      '\tint                        x;                    /*     0     4 */',
      '\tunsigned int               b:3;                  /*     4: 2  4 */',
      '\tunion {',
      '\t\tint                u;                    /*     8     4 */',
      '\t\tstruct {',
      '\t\t\tchar       c[4];                 /*     8     4 */',
      '\t\t} s;                                     /*     8     4 */',
      '\t};                                               /*     8     4 */',
      '\tstruct {',
      '\t\tint                far;                  /*     0     4 */',
      '\t} * p;                                           /*    16     8 */',
      '',
      '\t/* size: 24, cachelines: 1, members: 4 */',
      '};',
    ].join('\n');
    expect(paholeAnswers(text).get('layouts', 'struct a')).toBe('24: x@0:0 b@34:3 @64:0 u@64:0 s@64:0 c@64:0 p@128:0');
  });
});
