/**
 * Joins findings into stories by the conditions that they speak of: who accounts for one comes before who shows it, and
 * that before who rests on it. Findings that are tied by nothing stay apart. Knows no detector and no condition.
 */
import type { Condition } from '../model/condition.ts';
import type { Finding } from '../model/finding.ts';
import type { Story, StoryLink } from '../model/report.ts';

/** Findings by what they say of one condition; indices. */
interface Speakers {
  readonly explain: Set<number>;
  readonly show: Set<number>;
  readonly rest: Set<number>;
}

/** @param findings - ranked; stories and equals in them keep that order */
export function storiesOf(findings: readonly Finding[]): readonly Story[] {
  const conditions = speakersOf(findings);
  const groups = groupsOf(findings.length, conditions);
  const links = linksOf(conditions);
  return groups.map((members) => {
    const inside = new Set(members);
    const own = links.filter(({ from }) => inside.has(from));
    return { findings: ordered(members, own), links: own, loop: loopOf(members, own) };
  });
}

function speakersOf(findings: readonly Finding[]): ReadonlyMap<Condition, Speakers> {
  const conditions = new Map<Condition, Speakers>();
  const at = (condition: Condition): Speakers => {
    const known = conditions.get(condition);
    if (known !== undefined) return known;
    const made: Speakers = { explain: new Set(), show: new Set(), rest: new Set() };
    conditions.set(condition, made);
    return made;
  };
  findings.forEach(({ explains = [], shows = [], restsOn = [] }, i) => {
    for (const condition of explains) at(condition).explain.add(i);
    for (const condition of shows) at(condition).show.add(i);
    for (const condition of restsOn) at(condition).rest.add(i);
  });
  return conditions;
}

/** One link for each pair; where a finding shows a condition, what rests on it is linked to that one alone. */
function linksOf(conditions: ReadonlyMap<Condition, Speakers>): readonly StoryLink[] {
  const links = new Map<string, StoryLink>();
  const link = (froms: Iterable<number>, tos: Iterable<number>, through: Condition, same: boolean): void => {
    for (const from of froms)
      for (const to of tos) {
        const key = `${from} ${to}`;
        if ((same || from !== to) && !links.has(key)) links.set(key, { from, to, through });
      }
  };
  for (const [through, { explain, show, rest }] of conditions) {
    link(explain, show, through, false);
    if (show.size > 0) link(show, rest, through, false);
    // Who rests on what it brings about itself is a circle of one.
    else link(explain, rest, through, true);
  }
  return [...links.values()].sort((a, b) => a.from - b.from || a.to - b.to);
}

/** What several account for ties them only where somebody shows it or rests on it: else nobody knows that it is so. */
function groupsOf(count: number, conditions: ReadonlyMap<Condition, Speakers>): readonly (readonly number[])[] {
  const parent = Array.from({ length: count }, (_, i) => i);
  const rootOf = (i: number): number => {
    let root = i;
    while (parent[root] !== root) root = parent[root] ?? root;
    parent[i] = root;
    return root;
  };
  for (const { explain, show, rest } of conditions.values()) {
    if (show.size + rest.size === 0) continue;
    const [first, ...others] = [...explain, ...show, ...rest];
    for (const other of first === undefined ? [] : others) {
      const [a, b] = [rootOf(first), rootOf(other)];
      parent[Math.max(a, b)] = Math.min(a, b);
    }
  }
  return [...Map.groupBy(parent.keys(), rootOf).values()];
}

/** What explains before what it explains; in a circle, first whoever is explained from outside of it. */
function ordered(members: readonly number[], links: readonly StoryLink[]): readonly number[] {
  const open = new Set(members);
  const out: number[] = [];
  while (open.size > 0) {
    const waitsFor = new Map<number, number>();
    const reached = new Set<number>();
    for (const { from, to } of links) {
      if (from !== to && open.has(from)) waitsFor.set(to, (waitsFor.get(to) ?? 0) + 1);
      if (!open.has(from)) reached.add(to);
    }
    const score = (i: number): number => (waitsFor.get(i) ?? 0) * 2 + (reached.has(i) ? 0 : 1);
    // All that nobody open explains go at once; of a circle one, which opens it.
    const free = [...open].filter((i) => !waitsFor.has(i));
    const next = free.length > 0 ? free : [...open].sort((a, b) => score(a) - score(b)).slice(0, 1);
    for (const i of next) open.delete(i);
    out.push(...next);
  }
  return out;
}

function loopOf(members: readonly number[], links: readonly StoryLink[]): readonly number[] {
  const after = Map.groupBy(links, ({ from }) => from);
  return members.filter((start) => {
    const seen = new Set<number>([start]);
    // A Set's iteration also visits what is added on the way.
    for (const i of seen)
      for (const { to } of after.get(i) ?? []) {
        if (to === start) return true;
        seen.add(to);
      }
    return false;
  });
}
