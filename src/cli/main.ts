#!/usr/bin/env node
/**
 * The entry of the program. Imports nothing that an old Node could stumble over, so that it can say what is wrong. The
 * status is set and not exited with, so that pipes are written to their end.
 */
import { EXIT } from './exit-status.ts';

const NEEDED = [22, 18] as const;

function isTooOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1]);
}

if (isTooOld(process.versions.node)) {
  process.stderr.write(
    `kwhy: needs Node ${NEEDED.join('.')} or newer, and this is ${process.versions.node}; ` +
      'after npm ci there is one: node_modules/.bin/node\n',
  );
  process.exitCode = EXIT.noReport;
} else {
  const [{ runCli }, { processIo }] = await Promise.all([import('./run-cli.ts'), import('./process-io.ts')]);
  process.exitCode = await runCli(process.argv.slice(2), processIo());
}
