/**
 * Makes the dumps of one variant of an incident, unless they are there and their inputs are unchanged.
 */
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { boot, type Machine, type Outcome } from './boot.ts';
import { convertDump, convertLiveDump, type Thoroughness } from './dump.ts';
import { buildGuest, type Guest, guestSources } from './guest.ts';
import { cpuOf, drawParameters, dumpOf, type Incident, seedOf } from './incidents.ts';
import type { Kernel } from './kernels.ts';
import { expectedOf, makeManifest, type Manifest, sortTruth } from './manifest.ts';
import { serveMonitor } from './monitor.ts';
import { cacheFolder, dumpsRoot, labRoot } from './paths.ts';
import { LabError } from './run.ts';

/** The hash of all that a dump is made from. */
export function inputsOf(incident: Incident, kernel: Pick<Kernel, 'release' | 'version'>, variant: number): string {
  const hash = createHash('sha256').update(`${kernel.release} ${kernel.version} ${variant}\n`);
  const {
    title: _title,
    causes: _causes,
    names: _names,
    kernels: _kernels,
    folder: _folder,
    onDemand: _onDemand,
    ...deciding
  } = incident;
  hash.update(JSON.stringify({ ...deciding, parameters: drawParameters(incident, variant) }));
  for (const path of guestSources(labRoot, incident))
    hash.update(`${path}\n`).update(readFileSync(join(labRoot, path)));
  return hash.digest('hex').slice(0, 16);
}

/** Reads a manifest, or undefined when there is none. */
export function readManifest(folder: string): Manifest | undefined {
  const path = join(folder, 'manifest.json');
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Manifest) : undefined;
}

/** An emulated drive or a race of the incident fails now and then: one more try, said aloud. */
async function bootTwice(guest: Guest, machine: Machine, work: string): Promise<Outcome> {
  try {
    return await serveMonitor(work, boot(guest, machine, work));
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    console.error(`once more: ${error.message}`);
    return await serveMonitor(work, boot(guest, machine, work));
  }
}

/** makedumpfile 1.7.8 leaves out pages of 7.2 that are in use by the kernel (`struct page` changed in 7.1). */
function thoroughness(incident: Incident, kernel: Kernel, variant: number): Thoroughness {
  if (variant === 1 && kernel.name === incident.kernels[0]) return 'all';
  return kernel.name === 'sid' ? 'doubtful' : 'one';
}

/** Makes a variant and returns its manifest; `made` is false when it was there. */
export async function makeVariant(
  incident: Incident,
  kernel: Kernel,
  variant: number,
): Promise<{ readonly manifest: Manifest; readonly made: boolean; readonly folder: string }> {
  const folder = join(dumpsRoot, incident.name, kernel.name, String(variant));
  const inputs = inputsOf(incident, kernel, variant);
  const before = readManifest(folder);
  if (before?.inputs === inputs && before.files.every((file) => existsSync(join(folder, file)))) {
    // What counts as right may have been written anew since.
    const manifest = { ...before, title: incident.title, expected: expectedOf(incident, before) };
    writeFileSync(join(folder, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
    return { manifest, made: false, folder };
  }
  const start = Date.now();
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const work = cacheFolder('work', `${incident.name}-${kernel.name}-${variant}`);
  const parameters = drawParameters(incident, variant);
  const dump = dumpOf(incident, variant);
  const guest = buildGuest(kernel, incident, dump, parameters, work);
  const machine: Machine = {
    memoryMb: incident.memoryMb,
    crashkernelMb: kernel.name === 'sid' ? 192 : 160,
    cpus: 2,
    cpu: cpuOf(incident, variant),
    // An ELF file of a large guest takes too much room.
    liveFormat: incident.memoryMb > 2048 ? 'kdump-zlib' : 'elf',
    balloon: incident.kernelModules.includes('virtio_balloon'),
    cmdline: incident.cmdline,
    goesOn: dump === 'live' ? incident.goesOn : 0,
    timeout: incident.patience * 3,
    oracleBytes: incident.memoryMb > 2048 ? 2 ** 30 : 2 ** 27,
  };
  const outcome = await bootTwice(guest, machine, work);
  const live = dump === 'live';
  const files = live
    ? convertLiveDump(outcome.vmcore, folder, machine.liveFormat)
    : convertDump(outcome.vmcore, folder, thoroughness(incident, kernel, variant));
  copyFileSync(outcome.console, join(folder, 'console.log'));
  writeFileSync(join(folder, 'oracle.tar.zst'), zstdCompressSync(readFileSync(outcome.oracle)));
  const manifest = makeManifest(incident, kernel, sortTruth(outcome.messages), {
    variant,
    seed: seedOf(incident.name, variant),
    dump,
    files,
    parameters,
    inputs,
    seconds: Math.round((Date.now() - start) / 1000),
  });
  writeFileSync(join(folder, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  rmSync(work, { recursive: true, force: true });
  return { manifest, made: true, folder };
}
