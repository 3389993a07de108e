import { describe, expect, it } from 'vitest';
import { SEEN_EDGES } from '../src/kernel/wait-edges.ts';
import { judgeWait, type SaidWait } from './wait-judge.ts';
import { readWaits, seenEdges } from './waits.ts';

it('src/kernel/wait-edges.ts says of each way where the lab has seen it, no more and no less', () => {
  const { entries } = readWaits();
  expect(entries.length).toBeGreaterThan(200);
  expect(entries.filter(({ verdict }) => verdict === 'wrong')).toEqual([]);
  expect(seenEdges(readWaits(), Object.keys(SEEN_EDGES))).toEqual(SEEN_EDGES);
});

describe('a wait', () => {
  const told = {
    name: 'pipe read',
    pid: 7,
    kind: 'pipe',
    ctype: 'struct pipe_inode_info',
    address: '0xffff888000001000',
    says: 'pipe:',
    for: [8],
  };
  const wait = {
    kind: 'pipe',
    edge: 'pipe',
    what: ['for the pipe ', { name: 'pipe:[12]' }],
    proof: 'structure',
    object: { address: '0xffff888000001000', ctype: 'struct pipe_inode_info' },
    awaited: [{ task: { pid: 8 }, certainty: 'exact' }],
  };
  const verdict = (said: SaidWait | undefined): string => judgeWait(said, told).verdict;

  it('is right with its kind, its object, and all who could end it', () => {
    expect(judgeWait({ wait }, told)).toEqual({
      verdict: 'right',
      why: '',
      edge: 'pipe',
      proof: 'structure',
      certainty: 'exact',
    });
  });

  it('is wrong with another kind, another object, or somebody who could not end it', () => {
    expect(verdict({ wait: { ...wait, kind: 'socket' } })).toBe('wrong');
    expect(verdict({ wait: { ...wait, object: { ...wait.object, address: '0xffff888000002000' } } })).toBe('wrong');
    expect(verdict({ wait: { ...wait, awaited: [{ task: { pid: 9 }, certainty: 'inferred' }] } })).toBe('wrong');
    expect(judgeWait({ wait }, { ...told, for: [] }).verdict).toBe('wrong');
  });

  it('is partly right without the object, without one of those who could end it, or without the name', () => {
    const { object: _object, ...without } = wait;
    expect(verdict({ wait: without })).toBe('partly');
    expect(verdict({ wait: { ...wait, awaited: [] } })).toBe('partly');
    expect(verdict({ wait: { ...wait, what: ['for the pipe'] } })).toBe('partly');
  });

  it('is unknown where only the place is said where it sleeps', () => {
    expect(verdict({ wait: { kind: 'wait-queue', proof: 'structure' } })).toBe('unknown');
    expect(verdict({})).toBe('unknown');
    expect(verdict(undefined)).toBe('unknown');
  });
});
