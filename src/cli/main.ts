#!/usr/bin/env node
/**
 * The entry of the program when it runs from its sources; bundled.ts is that of dist/. Imports nothing that an old Node
 * could stumble over, so that it can say what is wrong. The status is set and not exited with, so that pipes are written
 * to their end.
 */
import { EXIT } from './exit-status.ts';
import { refusesNode } from './node-version.ts';

if (refusesNode()) {
  process.exitCode = EXIT.noReport;
} else {
  const { start } = await import('./start.ts');
  process.exitCode = await start(process.argv.slice(2));
}
