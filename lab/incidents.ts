/**
 * Incidents: one folder each below `lab/incidents`, with an `incident.json` and the program that brings it about.
 *
 * A variant's parameters are drawn by a generator seeded with the incident's name and the variant's number, so the same
 * variant is the same everywhere.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { incidentsRoot } from './paths.ts';
import { LabError } from './run.ts';

/** How the dump comes about: sysrq-c, the incident's own panic, or QEMU's dump of a running guest. */
export type DumpKind = 'sysrq' | 'own' | 'live';

/** A parameter that the seed draws: a whole number of a range, or one of a list. */
export interface Parameter {
  readonly from?: number;
  readonly to?: number;
  readonly oneOf?: readonly (string | number)[];
  readonly byVariant?: readonly (string | number)[];
}

/** What an `incident.json` says. */
export interface Incident {
  /** Name of the folder. */
  readonly name: string;
  readonly folder: string;
  /** What happens, in one sentence. */
  readonly title: string;
  /** Causes that are right; empty when nothing is wrong. */
  readonly causes: readonly string[];
  readonly memoryMb: number;
  readonly dump: DumpKind;
  /** Kernels it is made on when none is asked for. */
  readonly kernels: readonly string[];
  /** Modules that are built from `<name>.c` of the folder. */
  readonly modules: readonly string[];
  /** Modules of the kernel's own packages. */
  readonly kernelModules: readonly string[];
  /** More words for the kernel's command line. */
  readonly cmdline: string;
  /** QEMU's `-cpu` of a variant; missing for the usual one. */
  readonly cpu?: Parameter;
  /** Whether the report need not name a culprit, or a resource. */
  readonly names: readonly ('culprit' | 'resource')[];
  /** Whether it is made only when it is asked for by name. */
  readonly onDemand: boolean;
  /** Seconds that the guest goes on for after a live dump: what it then tells is truth as well. */
  readonly goesOn: number;
  /** Seconds that the guest may take for each step. */
  readonly patience: number;
  readonly parameters: Readonly<Record<string, Parameter>>;
}

const DEFAULTS = {
  memoryMb: 512,
  dump: 'sysrq',
  kernels: ['6.1'],
  modules: [],
  kernelModules: [],
  cmdline: '',
  names: ['culprit', 'resource'],
  onDemand: false,
  patience: 120,
  goesOn: 0,
  parameters: {},
} as const;

/** Reads all incidents, by name. */
export function readIncidents(): Incident[] {
  return readdirSync(incidentsRoot)
    .filter((name) => existsSync(join(incidentsRoot, name, 'incident.json')))
    .sort()
    .map((name) => {
      const folder = join(incidentsRoot, name);
      const said = JSON.parse(readFileSync(join(folder, 'incident.json'), 'utf8')) as Partial<Incident>;
      if (said.title === undefined || said.causes === undefined) throw new LabError(`${name} has no title or causes`);
      return { ...DEFAULTS, ...said, title: said.title, causes: said.causes, name, folder };
    });
}

/** Incidents whose name, or number, is one of those given; all that are not made on demand when none is given. */
export function chooseIncidents(wanted: readonly string[]): Incident[] {
  const all = readIncidents();
  if (wanted.length === 0) return all.filter(({ onDemand }) => !onDemand);
  return wanted.map((word) => {
    const found = all.find((incident) => incident.name === word || incident.name.startsWith(`${word}-`));
    if (found === undefined)
      throw new LabError(`no incident ${word}; there are ${all.map(({ name }) => name).join(', ')}`);
    return found;
  });
}

/** A small generator of numbers in [0, 1) (mulberry32); equal seeds give equal numbers. */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The seed of a variant. */
export function seedOf(incident: string, variant: number): number {
  return createHash('sha256').update(`${incident}/${variant}`).digest().readUInt32LE(0);
}

/** What every guest has beside its incident: pids used up, a big process, a queue that moves, old lines in the log. */
const COMPANY: Readonly<Record<string, Parameter>> = {
  HOST: { oneOf: ['web3', 'db-01', 'mail', 'build7', 'store'] },
  PIDS: { from: 0, to: 400 },
  BIG: { oneOf: ['mysqld', 'java', 'redis-server', 'mongod'] },
  BIG_MB: { from: 30, to: 70 },
  /** Its oom_score_adj. */
  BIG_ADJ: { oneOf: [0] },
  QUEUE: { from: 3, to: 9 },
  QUEUE_NAME: { oneOf: ['logrotate', 'apt-get', 'backup', 'php-fpm'] },
  /** How long a parent waits for its vforked child, uninterruptibly. */
  VFORK_MS: { from: 200, to: 500 },
  OLD_LOG: {
    oneOf: [
      '<3>blk_update_request: I/O error, dev sdb, sector 2048 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 0',
      '<3>EXT4-fs error (device sda1): ext4_find_entry:1455: inode #2: comm find: reading directory lblock 0',
      '<4>page allocation failure: order:4, mode:0x40cc0(GFP_KERNEL|__GFP_COMP), nodemask=(null)',
      '<3>INFO: task rsync:731 blocked for more than 120 seconds.',
      '<4>nfs: server archive not responding, still trying',
    ],
  },
};

/** How a variant's dump is taken: the third is a live one, unless the kernel crashes by itself. */
export function dumpOf(incident: Pick<Incident, 'dump'>, variant: number): DumpKind {
  return incident.dump === 'sysrq' && variant === 3 ? 'live' : incident.dump;
}

/** QEMU's `-cpu`: 5-level page tables, and 4-level ones for the second variant. */
export function cpuOf(incident: Pick<Incident, 'cpu'>, variant: number): string {
  if (incident.cpu !== undefined) return String(valueOf(incident.cpu, 0, variant));
  return variant === 2 ? 'max,la57=off' : 'max';
}

function valueOf(parameter: Parameter, at: number, variant: number): string | number {
  const { from, to, oneOf, byVariant } = parameter;
  if (byVariant !== undefined) return byVariant[(variant - 1) % byVariant.length] ?? '';
  if (oneOf !== undefined) return oneOf[Math.floor(at * oneOf.length)] ?? '';
  if (from === undefined || to === undefined) throw new LabError('a parameter has from and to, oneOf, or byVariant');
  return from + Math.floor(at * (to - from + 1));
}

/** The values of all parameters of a variant. */
export function drawParameters(
  incident: Pick<Incident, 'name' | 'parameters'>,
  variant: number,
): Record<string, string> {
  const drawn: Record<string, string> = {};
  for (const [name, parameter] of Object.entries({ ...COMPANY, ...incident.parameters })) {
    // Each parameter has its own generator, so a new one changes no other.
    const at = generator(seedOf(`${incident.name}/${name}`, variant))();
    drawn[name] = String(valueOf(parameter, at, variant));
  }
  return drawn;
}
