/**
 * Makes dist/program.code: runs the bundled program on a sample, so that V8 compiles what a report and the first commands
 * of the shell need, and keeps what it compiled (src/cli/script.ts says what for). `node tools/code.ts DIST SAMPLE`; what
 * the program prints goes to standard output.
 */
import { writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { codeOf, loadScript, programFiles } from '../src/cli/script.ts';

/** What is run on the sample: arguments in front of it and behind. */
const RUNS: readonly (readonly [readonly string[], readonly string[]])[] = [
  [[], []],
  [
    ['run', '--no-rc'],
    ['-c', 'sys', '-c', 'ps', '-c', 'bt'],
  ],
];

async function main(dist: string, sample: string): Promise<void> {
  const files = programFiles(dist);
  // V8 forgets the code of functions that have not run for a while.
  setFlagsFromString('--no-flush-bytecode');
  const loaded = loadScript(files, 'program.cjs');
  for (const [before, after] of RUNS) {
    const status = await loaded.exports.start([...before, sample, ...after]);
    // A small dump leaves something out, and a command says so.
    if (status !== 0 && status !== 1) throw new Error(`kwhy ended with status ${status} on the sample`);
  }
  // V8 takes code only where its flags are the same.
  setFlagsFromString('--flush-bytecode');
  writeFileSync(files.code, codeOf(loaded));
}

const [dist = '', sample = ''] = process.argv.slice(2);
await main(dist, sample);
