/**
 * Writes the malformed files of test/malformed into a folder, one folder per case, to see what other tools make of them:
 * `node tools/malformed.ts FOLDER`. What kwhy makes of them is tested there.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeBases } from '../test/malformed/bases.ts';
import { patched } from '../test/malformed/case.ts';
import { crashHeaders } from '../test/malformed/crash-headers.ts';
import { ourHeaders } from '../test/malformed/our-headers.ts';

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  console.error('usage: node tools/malformed.ts FOLDER');
  process.exitCode = 2;
} else {
  const bases = makeBases();
  const cases = [...crashHeaders(), ...ourHeaders(bases)];
  const list = cases.map(({ name, files }, i) => {
    const number = String(i + 1).padStart(2, '0');
    mkdirSync(join(folder, number), { recursive: true });
    files.forEach((file, n) => {
      const bytes = 'bytes' in file ? file.bytes : patched(bases.files[file.base], file.patches).subarray(0, file.size);
      writeFileSync(join(folder, number, `vmcore${n === 0 ? '' : n}`), bytes);
    });
    return `${number} ${name}\n`;
  });
  writeFileSync(join(folder, 'LIST'), list.join(''));
  console.log(`${cases.length} cases in ${folder}, named in ${join(folder, 'LIST')}`);
}
