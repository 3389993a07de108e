/**
 * Five first screens for docs/examples, each with the command that makes its dump: a hang, a closed loop of a hang and a
 * shortage, a deadlock through a work item, a leak, a crash. Written from the lab's dumps alone; what the dump of another
 * machine says differs in addresses, pids and times.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unlimited } from '../src/base/budget.ts';
import { diagnose } from '../src/diagnosis/engine.ts';
import type { Report } from '../src/model/report.ts';
import { openProgram } from '../src/program/open.ts';
import { reportText } from '../src/render/report-text.ts';
import { readIncidents } from './incidents.ts';
import { dumpsRoot, labRoot } from './paths.ts';
import { LabError } from './run.ts';

const repository = join(labRoot, '..');
const folder = join(repository, 'docs/examples');
const KERNEL = '6.1';
const FILE = 'zstd.vmcore';
const WIDTH = 100;

/** Incidents, and what their screens show beside the answer. */
const EXAMPLES: readonly (readonly [incident: string, shows: string])[] = [
  [
    '01-userfault-getdents',
    'a lock whose holder can never go on, proven by structure; who launched the crowd behind it',
  ],
  [
    '02-mutex-holder-in-reclaim',
    'a hang and a shortage of memory that keep each other up, and the root cause outside of the circle',
  ],
  ['29-lock-and-work-cycle', 'a deadlock in which two locks and a work item of the kernel take part'],
  ['12-page-leak', 'memory that no counter of the kernel has, and the module that it points into'],
  [
    '40b-use-after-free-plain',
    'a crash: the instruction, the free object that it followed a pointer out of, what proves it',
  ],
];

function reportOf(path: string): Report {
  const program = openProgram(path);
  try {
    const steps = diagnose(program, unlimited);
    for (;;) {
      const next = steps.next();
      if (next.done === true) return next.value;
    }
  } finally {
    program.close();
  }
}

/** What stands above the first section. @throws LabError when the screen holds a path of this machine */
function screenOf(path: string): string {
  const text = reportText(reportOf(path), { width: WIDTH, colour: false });
  const screen = text.slice(0, text.indexOf('\n\n--- '));
  if (screen.includes(repository)) throw new LabError(`${path}: the screen names a folder of this machine`);
  return screen;
}

/** Writes docs/examples and returns the names of the pages. @throws LabError when a dump is not there */
export function examples(): string {
  mkdirSync(folder, { recursive: true });
  const incidents = readIncidents();
  const rows = EXAMPLES.map(([name, shows]) => {
    const title = incidents.find((each) => each.name === name)?.title;
    const path = join(dumpsRoot, name, KERNEL, '1', FILE);
    if (title === undefined || !existsSync(path))
      throw new LabError(`there is no dump of ${name}: npm run lab -- make ${name} --kernel ${KERNEL}`);
    const page = [
      `# ${title}`,
      '',
      'Written by `npm run lab -- examples`; not edited by hand. The guest is made, hung and dumped with',
      '',
      `    npm run lab -- make ${name} --kernel ${KERNEL} --variant 1`,
      '',
      'and this is the first screen of',
      '',
      `    kwhy lab/dumps/${name}/${KERNEL}/1/${FILE}`,
      '',
      '```text',
      screenOf(path),
      '```',
      '',
      'Below it follow the evidence for each claim, with the command that shows the same by hand, what was checked, and how much',
      'of the dump could be read.',
      '',
    ].join('\n');
    writeFileSync(join(folder, `${name}.md`), page);
    return `- [${title}](${name}.md): ${shows}`;
  });
  const index = [
    '# First screens',
    '',
    'What `kwhy VMCORE` says first, of five dumps of the incident lab ([lab/README.md](../../lab/README.md)). Written by',
    '`npm run lab -- examples`; not edited by hand. All others are judged in [the scoreboard](../scoreboard.md).',
    '',
    ...rows,
    '',
  ];
  writeFileSync(join(folder, 'README.md'), index.join('\n'));
  return rows.join('\n');
}
