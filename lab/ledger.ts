/**
 * The page ledger of every dump there is: each frame in one class, each row beside the counter of the kernel, what fits no
 * class, and the size of what the guest told of. Writes its part of docs/memory.md.
 */
import { readdirSync, readFileSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { replaceGenerated } from '../bench/document.ts';
import { unlimited } from '../src/base/budget.ts';
import { isDataError } from '../src/base/errors.ts';
import { makeContext } from '../src/diagnosis/engine.ts';
import { pageLedgerFact } from '../src/diagnosis/facts/page-ledger.ts';
import { openProgram } from '../src/program/open.ts';
import { type LedgerOfDump, ledgerPage, outsideOf } from './ledger-page.ts';
import { sizesOf } from './ledger-truth.ts';
import { readManifest } from './make.ts';
import type { Manifest } from './manifest.ts';
import { dumpsRoot, labRoot } from './paths.ts';

const pagePath = join(labRoot, '../docs/memory.md');

function ledgerOf(folder: string, file: string, manifest: Manifest): LedgerOfDump {
  const program = openProgram(join(folder, file));
  try {
    const context = makeContext(program, unlimited, []);
    const ledger = context.use(pageLedgerFact);
    return {
      incident: manifest.incident,
      kernel: manifest.kernel,
      variant: manifest.variant,
      file,
      level: program.dump.dumpLevel,
      isHealthy: manifest.expected.causes.length === 0,
      frames: ledger.frames,
      inClasses: ledger.classes.reduce((sum, { pages }) => sum + pages, 0),
      unread: ledger.pages('unread', 'unseen'),
      memory: ledger.memory ?? ledger.frames,
      unclassified: ledger.pages('unclassified'),
      rows: ledger.rows.map(({ label, difference, note, counted }) => ({
        label,
        difference,
        note,
        problem: counted.problem,
      })),
      sizes: sizesOf(context, manifest),
    };
  } finally {
    program.close();
  }
}

/** One line for each dump that is outside, and the tables; sets the exit status when one is outside. */
export function ledgers(wanted: readonly string[]): string {
  const found: LedgerOfDump[] = [];
  const failed: string[] = [];
  for (const name of dumpFolders()) {
    const folder = join(dumpsRoot, name);
    const manifest = readManifest(folder);
    if (manifest === undefined || (wanted.length > 0 && !wanted.some((word) => name.startsWith(word)))) continue;
    for (const file of manifest.files) {
      if (!existsSync(join(folder, file))) continue;
      try {
        const ledger = ledgerOf(folder, file, manifest);
        found.push(ledger);
        for (const line of outsideOf(ledger)) console.error(`${name}/${file}: ${line}`);
      } catch (error) {
        if (!(error instanceof Error) || !isDataError(error)) throw error;
        failed.push(`${name}/${file}: ${error.message}`);
      }
    }
  }
  for (const line of failed) console.error(line);
  const page = ledgerPage(found);
  if (failed.length > 0 || found.some((ledger) => outsideOf(ledger).length > 0)) process.exitCode = 1;
  if (wanted.length === 0) writeFileSync(pagePath, replaceGenerated(readFileSync(pagePath, 'utf8'), 'ledgers', page));
  return page;
}

function* dumpFolders(): Generator<string> {
  for (const incident of readdirSync(dumpsRoot).sort())
    for (const kernel of readdirSync(join(dumpsRoot, incident)).sort())
      for (const variant of readdirSync(join(dumpsRoot, incident, kernel)).sort())
        yield join(incident, kernel, variant);
}
