/**
 * `npm run oracle -- [OPTIONS] [DUMP...]`: asks the guest's own /proc, drgn, crash, nm, readelf, bpftool and pahole what
 * our helpers answer, about every dump of the lab and those given. Ends with 1 when a difference is not explained.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { replaceGenerated } from '../bench/document.ts';
import { LabError } from '../lab/run.ts';
import { isDataError } from '../src/base/errors.ts';
import { type Asked, Asker } from './ask.ts';
import { askCrash, crashesReport } from './crashes.ts';
import { type DumpToAsk, labDumps, namedDump } from './dumps.ts';
import { EXPLANATIONS } from './explained.ts';
import { askInstructions, instructionsReport, isEnough } from './instructions.ts';
import { areLinesSame, askLines, linesReport } from './lines.ts';
import { oracleRoot } from './paths.ts';
import { Peers } from './peers.ts';
import { json, markdown, summaryTable, text, unexplainedOf } from './report.ts';
import { askShell, isShellSame, shellDifferences, shellReport } from './shell.ts';
import { askSession, differences, sessionReport, unexplained } from './session.ts';
import { setUp } from './setup.ts';
import { askTables, isSame, tableLines, tablesReport } from './tables.ts';

const HELP = `npm run oracle -- [OPTIONS] [DUMP...]
  --setup         make the peers' folder (KWHY_PEERS, else a folder of the checkout) and end
  --no-lab        only the dumps given
  --every-format  every file of each lab dump, and not only the first
  --print         do not write docs/oracle.md
  --json FILE     also write everything to FILE
  --proc          only: the guests' own /proc, which needs no other program
  --tables        only: what remains without BTF and ORC, with a vmlinux, a pack of it, and no file
  --lines         only: file, line and inlined functions of 10,000 addresses of each kernel, by us and by addr2line
  --session       only: lines of the shell typed into crash and into ours
  --crashes       only: where the kernel fell, by us and by drgn, objdump and the log, of every dump of a crash
  --shell         only: what lines of the shell show, and what drgn reads; for kernels that crash does not open
  --instructions  only: all code of each kernel among the dumps, decoded by us and by objdump`;

function askAll(dumps: ReturnType<typeof labDumps>, peers: Peers, procOnly: boolean): Asked[] {
  const asker = new Asker(peers, EXPLANATIONS, procOnly);
  return dumps.flatMap((dump) => {
    try {
      const asked = asker.ask(dump);
      console.error(`${dump.name}: ${unexplainedOf([asked])} unexplained`);
      return [asked];
    } catch (error) {
      if (!(error instanceof Error) || !isDataError(error)) throw error;
      console.error(`${dump.name}: ${error.message}`);
      process.exitCode = 1;
      return [];
    }
  });
}

function compareInstructions(dumps: readonly DumpToAsk[], peers: Peers, printOnly: boolean): void {
  const tallies = askInstructions(dumps, peers);
  const report = instructionsReport(tallies);
  console.log(report);
  if (!printOnly) write('instructions', report);
  if (!tallies.every(isEnough)) process.exitCode = 1;
}

function compareLines(dumps: readonly DumpToAsk[], peers: Peers, printOnly: boolean): void {
  const tallies = askLines(dumps, peers);
  const report = linesReport(tallies);
  console.log(report);
  if (!printOnly) write('lines', report);
  if (tallies.length === 0 || !tallies.every(areLinesSame)) process.exitCode = 1;
}

function compareCrashes(dumps: readonly DumpToAsk[], peers: Peers, printOnly: boolean): void {
  const tallies = dumps.flatMap((dump) => {
    const tally = askCrash(dump, peers);
    if (tally !== undefined)
      console.error(`${dump.name}: ${tally.missing ?? `${tally.unexplained.length} unexplained`}`);
    return tally ?? [];
  });
  const report = crashesReport(tallies);
  console.log(report);
  if (!printOnly) write('crashes', report);
  if (tallies.some(({ unexplained }) => unexplained.length > 0)) process.exitCode = 1;
}

async function compareTables(dumps: readonly DumpToAsk[], peers: Peers, printOnly: boolean): Promise<void> {
  const tallies = await askTables(dumps, peers, (tally) => {
    console.error(`${tally.dump}: ${tableLines(tally).join('; ')}`);
    if (!isSame(tally)) process.exitCode = 1;
  });
  const report = tablesReport(tallies);
  console.log(report);
  if (!printOnly) write('tables', report);
}

/** How many dumps had a recording, and the table. */
function procPart(asked: readonly Asked[]): string {
  const recorded = asked.filter(({ tallies }) => tallies.length > 0).length;
  return `${recorded} of ${asked.length} files have a recording beside them.\n\n${summaryTable(asked)}`;
}

/** The generated part of docs/oracle.md of that name. */
function write(part: string, body: string): void {
  const path = join(oracleRoot, '../docs/oracle.md');
  writeFileSync(path, replaceGenerated(readFileSync(path, 'utf8'), part, body));
}

async function compareSession(dumps: readonly DumpToAsk[], peers: Peers, printOnly: boolean): Promise<void> {
  const tallies = await askSession(dumps, peers);
  console.log(`${sessionReport(tallies)}\n\n${differences(tallies)}`);
  const path = join(oracleRoot, '../docs/crash-differences.md');
  if (!printOnly) writeFileSync(path, replaceGenerated(readFileSync(path, 'utf8'), 'session', sessionReport(tallies)));
  if (tallies.some((each) => unexplained(each).length > 0)) process.exitCode = 1;
}

async function compareShell(dumps: readonly DumpToAsk[], peers: Peers, printOnly: boolean): Promise<void> {
  const tallies = await askShell(dumps, peers);
  const report = shellReport(tallies);
  console.log(`${report}\n\n${shellDifferences(tallies)}`);
  const path = join(oracleRoot, '../docs/crash-differences.md');
  if (!printOnly) writeFileSync(path, replaceGenerated(readFileSync(path, 'utf8'), 'shell', report));
  if (tallies.length === 0 || !tallies.every(isShellSame)) process.exitCode = 1;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      setup: { type: 'boolean', default: false },
      'no-lab': { type: 'boolean', default: false },
      'every-format': { type: 'boolean', default: false },
      print: { type: 'boolean', default: false },
      json: { type: 'string' },
      proc: { type: 'boolean', default: false },
      tables: { type: 'boolean', default: false },
      instructions: { type: 'boolean', default: false },
      session: { type: 'boolean', default: false },
      shell: { type: 'boolean', default: false },
      crashes: { type: 'boolean', default: false },
      lines: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const peers = new Peers();
  const dumps = [...positionals.map(namedDump), ...(values['no-lab'] ? [] : labDumps(values['every-format']))];
  if (values.setup) {
    setUp(peers, dumps);
    return;
  }
  if (dumps.length === 0) throw new LabError(`no dump is given and the lab has made none\n${HELP}`);
  if (values.tables) {
    await compareTables(dumps, peers, values.print);
    return;
  }
  if (values.lines) {
    compareLines(dumps, peers, values.print);
    return;
  }
  if (values.crashes) {
    compareCrashes(dumps, peers, values.print);
    return;
  }
  if (values.session) {
    await compareSession(dumps, peers, values.print);
    return;
  }
  if (values.shell) {
    await compareShell(dumps, peers, values.print);
    return;
  }
  if (values.instructions) {
    compareInstructions(dumps, peers, values.print);
    return;
  }
  const asked = askAll(dumps, peers, values.proc);
  console.log(text(asked, EXPLANATIONS));
  if (values.json !== undefined) writeFileSync(values.json, json(asked, peers.versions()));
  if (!values.print && values.proc) {
    write('proc', procPart(asked));
  } else if (!values.print) {
    write('summary', markdown(asked, EXPLANATIONS, peers.versions()));
  }
  if (unexplainedOf(asked) > 0) process.exitCode = 1;
}

try {
  await main();
} catch (error) {
  console.error(`oracle: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
