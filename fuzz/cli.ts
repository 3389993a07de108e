/**
 * `npm run fuzz`: feeds changed inputs to every reader and to the whole report, each target in processes of its own, and
 * writes a regression test for what fails. docs/fuzzing.md has more. Exits with 1 when something was found.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { type Arguments, HELP, parseArguments } from './arguments.ts';
import { campaign, type TargetFigures } from './campaign.ts';
import { figuresJson, figuresTable } from './figures.ts';
import type { Case } from './input.ts';
import type { Finding } from './loop.ts';
import { writeRegression } from './regression.ts';
import { runChild } from './run-child.ts';
import type { Target } from './target.ts';
import { findTarget, targets } from './targets/index.ts';

/** Shares of the time; 1 for those not named. Whole reports take longest. */
const SHARES: { readonly [target: string]: number } = { report: 6, kernel: 3, kallsyms: 2, writer: 2, btf: 2 };

function show(target: Target, finding: Finding, dry: boolean): void {
  const { failure, key } = finding;
  console.log(`\nFOUND ${target.name}: ${key}\n  ${failure.message}`);
  for (const line of failure.stack.split('\n').slice(1, 7)) console.log(`  ${line.trim()}`);
  console.log(`  ${JSON.stringify({ target: target.name, case: finding.case }).slice(0, 2000)}`);
  if (!dry) console.log(`  regression test: ${relative(process.cwd(), writeRegression(target, finding))}`);
}

async function fuzz(given: Arguments): Promise<void> {
  console.log(`seed ${given.seed}, Node ${process.version}`);
  const share = (target: Target): number => SHARES[target.name] ?? 1;
  const total = given.targets.reduce((sum, target) => sum + share(target), 0);
  const all: TargetFigures[] = [];
  for (const target of given.targets) {
    const milliseconds =
      given.executions === undefined ? (given.minutes * 60_000 * share(target)) / total : Number.POSITIVE_INFINITY;
    const figures = await campaign(target, {
      seed: given.seed,
      executions: given.executions,
      milliseconds,
      hang: given.hang,
      corpus: given.corpus,
      first: given.first,
      found: (of, finding) => show(of, finding, given.dry),
    });
    all.push(figures);
    const { executions, seconds, keys } = figures;
    console.log(`${target.name}: ${executions} executions in ${seconds.toFixed(0)} s, ${keys.length} findings`);
  }
  console.log(`\n${figuresTable(all)}`);
  if (given.json !== undefined) writeFileSync(given.json, figuresJson(given.seed, all));
  if (all.some(({ keys }) => keys.length > 0)) process.exitCode = 1;
}

async function replay(path: string, hang: number): Promise<void> {
  const { target: name, case: kept } = JSON.parse(readFileSync(path, 'utf8')) as { target: string; case: Case };
  const target = findTarget(name);
  const end = await runChild({ task: 'replay', target: name, case: kept, hang }, target, (message) => {
    if (message.type === 'outcome') console.log(`${message.kind}: ${message.text}`);
  });
  if (end.died !== undefined) console.log(`the process died: ${end.died}\n${end.errors}`);
}

try {
  const given = parseArguments(process.argv.slice(2));
  if (given.help) process.stdout.write(HELP);
  else if (given.list) for (const { name, reads } of targets) console.log(`${name}: ${reads}`);
  else if (given.replay !== undefined) await replay(given.replay, given.hang);
  else await fuzz(given);
} catch (error) {
  if (!(error instanceof RangeError || error instanceof TypeError)) throw error;
  console.error(`fuzz: ${error.message}`);
  process.exitCode = 2;
}
