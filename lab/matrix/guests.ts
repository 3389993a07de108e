/** Which guests the matrix has, and how one is made: its dumps, and what it told, lie in its folder until they are judged. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chooseIncidents, drawParameters, type Incident } from '../incidents.ts';
import { fetchKernel, type Kernel } from '../kernels.ts';
import { type Expected, expectedOf, sortTruth } from '../manifest.ts';
import { cacheFolder } from '../paths.ts';
import { LabError } from '../run.ts';
import { bootMatrix, type MatrixMachine } from './boot.ts';
import { buildMatrixGuest, manyModules } from './guest.ts';

/** A machine that the incident is brought about on. */
export interface MatrixGuest {
  /** As given to `--kernel`. */
  readonly kernel: string;
  /** '5-level', '4-level', or what is special about it. */
  readonly name: string;
  /** Which of the formats are made: all, or a few. */
  readonly thorough: boolean;
  readonly machine: Partial<MatrixMachine>;
  readonly moduleFiles?: number;
}

const special = (kernel: string, name: string, machine: Partial<MatrixMachine>, moduleFiles?: number): MatrixGuest => ({
  kernel,
  name,
  thorough: false,
  machine,
  ...(moduleFiles === undefined ? {} : { moduleFiles }),
});

export const MATRIX_KERNELS = ['5.10', '6.1', '6.12', 'sid', 'rt'] as const;
export const PAGING: Readonly<Record<string, string>> = { '5-level': 'max', '4-level': 'max,la57=off' };

export const MATRIX_GUESTS: readonly MatrixGuest[] = [
  ...Object.entries(PAGING).flatMap(([name, cpu]) =>
    MATRIX_KERNELS.map((kernel) => ({ kernel, name, thorough: true, machine: { cpu } })),
  ),
  special('6.1', 'nokaslr', { cmdline: 'nokaslr' }),
  special('6.1', 'one CPU', { cpus: '1' }),
  special('6.1', 'nosmp', { cmdline: 'nosmp' }),
  special('6.1', 'possible_cpus=300', { cmdline: 'possible_cpus=300', memoryMb: 1024 }),
  special('6.1', 'many modules', {}, 95),
  special('6.12', 'nokaslr', { cmdline: 'nokaslr' }),
  // possible_cpus= does not raise the number there: the machine has them, and only two are started.
  special('6.12', '255 possible CPUs', { cpus: '255', cmdline: 'maxcpus=2', memoryMb: 1024 }),
];

/** What is known of a guest that ran. */
export interface GuestTruth {
  readonly kernel: string;
  readonly release: string;
  readonly guest: string;
  readonly expected: Expected;
}

const INCIDENT = '01-userfault-getdents';

export function guestFolder(guest: MatrixGuest): string {
  return cacheFolder('matrix', `${guest.kernel}-${guest.name.replaceAll(/[^\w]+/g, '-')}`);
}

export function readTruth(guest: MatrixGuest): GuestTruth | undefined {
  const path = join(guestFolder(guest), 'truth.json');
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as GuestTruth) : undefined;
}

function machineOf(guest: MatrixGuest): MatrixMachine {
  return {
    memoryMb: 512,
    crashkernelMb: guest.kernel === 'sid' ? 192 : 160,
    cpus: '2',
    cpu: 'max',
    cmdline: '',
    timeout: 360,
    ...guest.machine,
  };
}

function incidentFor(guest: MatrixGuest, kernel: Kernel): Incident {
  const [incident] = chooseIncidents([INCIDENT]);
  if (incident === undefined) throw new LabError(`no incident ${INCIDENT}`);
  if (guest.moduleFiles === undefined) return incident;
  return { ...incident, kernelModules: manyModules(kernel, guest.moduleFiles) };
}

/** An emulated drive or a race of the incident fails now and then: one more try, said aloud. */
async function bootTwice(...given: Parameters<typeof bootMatrix>): ReturnType<typeof bootMatrix> {
  try {
    return await bootMatrix(...given);
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    console.error(`once more: ${error.message}`);
    return await bootMatrix(...given);
  }
}

/** Makes the dumps of a guest, unless they lie there. */
export async function makeGuest(guest: MatrixGuest): Promise<GuestTruth> {
  const before = readTruth(guest);
  if (before !== undefined) return before;
  const kernel = fetchKernel(guest.kernel);
  const incident = incidentFor(guest, kernel);
  const work = guestFolder(guest);
  const built = buildMatrixGuest(kernel, incident, drawParameters(incident, 1), work);
  const messages = await bootTwice(built, machineOf(guest), work);
  for (const name of ['root', 'capture', 'initrd', 'oracle.tar'])
    rmSync(join(work, name), { recursive: true, force: true });
  const truth: GuestTruth = {
    kernel: guest.kernel,
    release: kernel.release,
    guest: guest.name,
    expected: expectedOf(incident, sortTruth(messages)),
  };
  writeFileSync(join(work, 'truth.json'), `${JSON.stringify(truth, null, 2)}\n`);
  return truth;
}
