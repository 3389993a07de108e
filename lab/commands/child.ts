/**
 * One dump in a process of its own: `node child.ts DUMP PLACE thorough|brief [KIND PERCENT SEED ...]`. The lines are tried on
 * the sound dump, then on each damaged one. Prints a line of JSON for each; the file PLACE holds the line that is running.
 */
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Pfn } from '../../src/base/address.ts';
import { KwhyError } from '../../src/base/errors.ts';
import { loadCommands } from '../../src/cli/commands.ts';
import { openDump } from '../../src/dump/open.ts';
import { programOf } from '../../src/program/open.ts';
import { type Damage, damagedDump, PAGE_DAMAGES, type PageDamage } from '../damage/damaged-dump.ts';
import { linesOf } from './lines.ts';
import { type Tried, tryLines } from './try-lines.ts';
import { valuesOf } from './values.ts';

/** Milliseconds for one line. */
const LIMIT = 60_000;

/** What the process prints: how a dump fared, or that it could not be opened. */
export type Told = { readonly damage: string } & (
  | { readonly tried: Tried }
  | { readonly refused: string; readonly internal: boolean }
);

function damagesOf(words: readonly string[]): readonly Damage[] {
  return Array.from({ length: words.length / 3 }, (_, i): Damage => {
    const [kind = '', percent, seed] = words.slice(3 * i);
    if (!(PAGE_DAMAGES as readonly string[]).includes(kind)) throw new Error(`no damage ${kind}`);
    return { kind: kind as PageDamage, percent: Number(percent), seed: Number(seed) };
  });
}

async function main(): Promise<void> {
  const [path = '', place = '', how = '', ...rest] = process.argv.slice(2);
  const dump = openDump(resolve(path));
  const commands = await loadCommands();
  const note = openSync(place, 'w');
  // A line that writes a file, against all expectation, writes it here.
  const folder = mkdtempSync(join(tmpdir(), 'kwhy-commands-'));
  process.chdir(folder);
  const opening = new Set<Pfn>();
  const touched = new Set<Pfn>();
  let isOpening = true;
  const attempt = async (damage: string, open: () => ReturnType<typeof programOf>, thorough: boolean) => {
    const told = await trial(damage, open, thorough);
    writeSync(1, `${JSON.stringify(told)}\n`);
  };
  const trial = async (damage: string, open: () => ReturnType<typeof programOf>, thorough: boolean): Promise<Told> => {
    try {
      const lines = linesOf(commands, valuesOf(open()), thorough);
      isOpening = false;
      const onLine = (line: string): void => {
        ftruncateSync(note, 0);
        writeSync(note, `${damage}: ${line}`, 0);
      };
      return { damage, tried: await tryLines(lines, { open, commands, limit: LIMIT, onLine, inTurn: damage !== '' }) };
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      if (error instanceof KwhyError) return { damage, refused: error.message, internal: false };
      return { damage, refused: text, internal: true };
    }
  };
  const onPage = (frame: Pfn): void => void (isOpening ? opening : touched).add(frame);
  await attempt('', () => programOf(dump, { onPage }), how === 'thorough');
  // What is read to open a dump would close it: left alone, so that the commands are tried.
  const drawn = [...touched].filter((frame) => !opening.has(frame));
  for (const damage of damagesOf(rest)) {
    const name = `${damage.kind} ${damage.percent} %`;
    await attempt(name, () => programOf(damagedDump(dump, drawn, damage)), false);
  }
  closeSync(note);
  rmSync(folder, { recursive: true });
  dump.close();
}

await main();
