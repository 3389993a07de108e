import { describe, expect, it } from 'vitest';
import { cyclicParts, shortestCycle } from './wait-cycles.ts';

const graph = (edges: { readonly [node: string]: readonly string[] }) => ({
  nodes: Object.keys(edges),
  next: (node: string): readonly string[] => edges[node] ?? [],
});

describe('cyclicParts', () => {
  it('has each circle once, and nothing that only leads to one', () => {
    const { nodes, next } = graph({ a: ['b'], b: ['c'], c: ['b', 'd'], d: [], e: ['e'], f: ['e', 'd'] });
    expect(cyclicParts(nodes, next).map((part) => [...part].sort((a, b) => a.localeCompare(b)))).toEqual([
      ['b', 'c'],
      ['e'],
    ]);
  });

  it('follows chains of a hundred thousand', () => {
    const size = 100_000;
    const parts = cyclicParts(
      Array.from({ length: size }, (_, i) => i),
      (i) => [(i + 1) % size],
    );
    expect(parts.map((part) => part.length)).toEqual([size]);
  });
});

describe('shortestCycle', () => {
  it('is the shortest in a part, in its order', () => {
    const { nodes, next } = graph({ a: ['b'], b: ['c', 'd'], c: ['a'], d: ['e'], e: ['f'], f: ['b', 'g'], g: ['e'] });
    const [part] = cyclicParts(nodes, next);
    const cycle = shortestCycle(part ?? [], next);
    expect(cycle.length).toBe(3);
    cycle.forEach((node, i) => expect(next(node)).toContain(cycle[(i + 1) % 3]));
  });

  it('of a task that waits for itself is itself', () => {
    expect(shortestCycle(['e'], () => ['e'])).toEqual(['e']);
  });
});
