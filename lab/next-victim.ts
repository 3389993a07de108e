/**
 * Whether the OOM killer ended whom the dump says it would: guests that were dumped while they ran, went on, and told whom
 * it killed (`afterwards`, `killed pid`).
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { makeContext } from '../src/diagnosis/engine.ts';
import { oomCandidatesFact } from '../src/diagnosis/facts/oom-candidates.ts';
import { openProgram } from '../src/program/open.ts';
import { unlimited } from '../src/base/budget.ts';
import { readManifest } from './make.ts';
import { dumpsRoot } from './paths.ts';

/** One line for each such dump; sets the exit status when one differs. */
export function nextVictims(): string {
  const lines: string[] = [];
  for (const folder of folders()) {
    const manifest = readManifest(folder);
    const killed = manifest?.texts['killed pid'];
    const [file] = manifest?.files ?? [];
    if (manifest === undefined || killed === undefined || file === undefined) continue;
    const program = openProgram(join(folder, file));
    try {
      const { next } = makeContext(program, unlimited, []).use(oomCandidatesFact);
      const right = String(next?.task.pid) === killed;
      if (!right) process.exitCode = 1;
      const told = next === undefined ? 'nobody' : `${next.task.comm} (${next.task.pid})`;
      const name = `${manifest.incident} ${manifest.release} ${manifest.variant}`;
      lines.push(`${name}: foretold ${told}, killed ${killed}: ${right ? 'right' : 'WRONG'}`);
    } finally {
      program.close();
    }
  }
  return lines.length === 0 ? 'no dump of a guest that went on' : lines.join('\n');
}

function* folders(): Generator<string> {
  for (const incident of readdirSync(dumpsRoot))
    for (const kernel of readdirSync(join(dumpsRoot, incident)))
      for (const variant of readdirSync(join(dumpsRoot, incident, kernel)))
        yield join(dumpsRoot, incident, kernel, variant);
}
