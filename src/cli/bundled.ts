#!/usr/bin/env node
/** The entry of dist/: runs the script that the build made of the program, with the code that V8 made of it. */
import { EXIT } from './exit-status.ts';
import { refusesNode } from './node-version.ts';

if (refusesNode()) {
  process.exitCode = EXIT.noReport;
} else {
  const { loadScript, programFiles } = await import('./script.ts');
  const { start } = loadScript(programFiles(import.meta.dirname)).exports;
  process.exitCode = await start(process.argv.slice(2));
}
