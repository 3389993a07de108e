import { describe, expect, it } from 'vitest';
import { procAnswers, range, rising } from './answers.ts';
import { untar } from './recording.ts';

describe('a moving value', () => {
  it('may move as far again, in either direction', () => {
    expect(range('10', '14')).toMatchObject({ low: 6, high: 18 });
    expect(range('10', '10')).toBe('10');
    expect(range('10', '10', 2)).toMatchObject({ low: 8, high: 12 });
    expect(range(undefined, '10')).toBeUndefined();
  });

  it('never falls when it only rises', () => {
    expect(rising('1', '3')).toMatchObject({ low: 3, high: Infinity });
    expect(rising('3', '3')).toBe('3');
    expect(rising('3', '1')).toBeUndefined();
  });
});

describe('recordings', () => {
  it('answer text only where it stayed the same', () => {
    const at = (state: string) =>
      new Map([
        ['7/status', `Name:\ta b\nState:\t${state} (x)\nVmSize:\t  12 kB\n`],
        ['7/stat', '7 (a) b) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 55 4096 1'],
        ['7/stack', '[<0>] pipe_read+0x1/0x2\n'],
      ]);
    const answers = procAnswers({ first: at('S'), second: at('R') });
    expect(answers.get('processes', '7.State')).toBeUndefined();
    expect(answers.get('processes', '7.Name')).toBe('a b');
    expect(answers.get('processes', '7.VmSize')).toBe('12');
    expect(answers.get('processes', '7.starttime')).toBe('55');
    expect(answers.get('kernel stacks', '7')).toBe('pipe_read+0x1/0x2');
  });

  it('end where the tar is cut off', () => {
    const header = Buffer.alloc(512);
    header.write('1/proc/version');
    header.write('00000000003', 124);
    const body = Buffer.alloc(512);
    body.write('abc');
    const whole = Buffer.concat([header, body, header, body]);
    expect([...untar(whole)]).toEqual([['1/proc/version', 'abc']]);
    expect([...untar(whole.subarray(0, 514))]).toEqual([]);
  });
});
