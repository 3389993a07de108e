import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readIncidents } from './incidents.ts';
import { labRoot } from './paths.ts';

const folder = join(labRoot, '../docs/examples');
const pages = readdirSync(folder).filter((name) => name !== 'README.md');

it('are five, each of an incident that the lab makes, and all in the list', () => {
  const incidents = readIncidents().map(({ name }) => `${name}.md`);
  const index = readFileSync(join(folder, 'README.md'), 'utf8');
  expect(pages).toHaveLength(5);
  expect(pages.filter((name) => !incidents.includes(name) || !index.includes(`](${name})`))).toEqual([]);
});

describe.each(pages)('%s', (name) => {
  const page = readFileSync(join(folder, name), 'utf8');
  const screen = /^```text\n([\s\S]*?)\n```$/m.exec(page)?.[1]?.split('\n') ?? [];

  it('tells cause, proof and remedy on one screen', () => {
    expect(screen.length).toBeLessThanOrEqual(24);
    expect(Math.max(...screen.map((line) => line.length))).toBeLessThanOrEqual(100);
    expect(screen[0]).toMatch(/^[A-Z0-9]/);
    for (const label of ['Why ', 'Do ', 'Trigger ']) expect(screen.some((line) => line.startsWith(label))).toBe(true);
  });

  it('says how its dump is made, and names no folder of a machine', () => {
    expect(page).toContain(`npm run lab -- make ${name.slice(0, -3)} --kernel`);
    expect(page).not.toMatch(/\/(?:home|root|work|tmp)\//);
  });
});
