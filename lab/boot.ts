/**
 * Runs one guest in QEMU under software emulation until its dump is taken.
 *
 * The first serial port is the guest's console, the second the truth, one JSON object a line. The first NVMe namespace
 * takes the dump, the second the oracle. Live dumps are taken over QMP when the guest asks for one, and so is memory for
 * the balloon.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, ftruncateSync, openSync, readFileSync, readSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Guest } from './guest.ts';
import { Qmp } from './qmp.ts';
import { LabError } from './run.ts';
import { tool } from './tools.ts';

/** What the guest is given. */
export interface Machine {
  readonly memoryMb: number;
  readonly crashkernelMb: number;
  readonly cpus: number;
  /** QEMU's `-cpu`. */
  readonly cpu: string;
  /** QEMU's name of the format of a live dump. */
  readonly liveFormat: 'elf' | 'kdump-zlib';
  /** Whether it has a virtio balloon, by which the host takes memory when the guest asks for it. */
  readonly balloon: boolean;
  /** More words for the kernel's command line. */
  readonly cmdline: string;
  /** Seconds that a guest goes on for after a live dump, until it tells `afterwards`; 0 for not at all. */
  readonly goesOn: number;
  /** Seconds until the guest is given up. */
  readonly timeout: number;
  /** Bytes of the drive for the oracle. */
  readonly oracleBytes: number;
}

/** What a guest left behind. */
export interface Outcome {
  /** The dump as it was taken. */
  readonly vmcore: string;
  readonly oracle: string;
  readonly console: string;
  /** Every line of the second serial port. */
  readonly messages: readonly Readonly<Record<string, unknown>>[];
}

function sparseFile(path: string, bytes: number): void {
  rmSync(path, { force: true });
  const fd = openSync(path, 'w');
  ftruncateSync(fd, bytes);
  closeSync(fd);
}

function readMessages(path: string): Record<string, unknown>[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split(/\r?\n/)
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .flatMap((line) => {
      try {
        return [JSON.parse(line) as Record<string, unknown>];
      } catch {
        return [];
      }
    });
}

const isNumber = (text: unknown): text is string => typeof text === 'string' && /^\d+$/.test(text);

function field(messages: readonly Readonly<Record<string, unknown>>[], name: string): unknown {
  return messages.find((message) => name in message)?.[name];
}

/** Seconds that a guest may take to give memory to the host. */
const BALLOON_SECONDS = 60;

/**
 * Takes memory from the guest and waits until it has given it.
 * @param bytes - that the guest is to keep
 * @returns what the guest has left, by the host
 */
async function inflate(monitor: string, bytes: number): Promise<number> {
  const qmp = await Qmp.connect(monitor);
  try {
    await qmp.execute('balloon', { value: bytes });
    const end = Date.now() + BALLOON_SECONDS * 1000;
    for (;;) {
      const { actual } = (await qmp.execute('query-balloon')) as { readonly actual: number };
      if (actual <= bytes || Date.now() > end) return actual;
      await sleep(200);
    }
  } finally {
    qmp.close();
  }
}

/** Lets a guest that was dumped run on until it says what came of it. */
async function untilAfterwards(truth: string, seconds: number): Promise<void> {
  const end = Date.now() + seconds * 1000;
  while (Date.now() < end) {
    if (readMessages(truth).some(({ name }) => name === 'afterwards')) return;
    await sleep(200);
  }
  if (seconds > 0) throw new LabError(`the guest said nothing for ${seconds} s after its dump; see ${truth}`);
}

/** Whether a file begins with the header of a tar: a drive that nothing was written to is zeroes. */
function beginsWithTar(path: string): boolean {
  const magic = Buffer.alloc(5);
  const fd = openSync(path, 'r');
  readSync(fd, magic, 0, magic.length, 257);
  closeSync(fd);
  return magic.toString('latin1') === 'ustar';
}

/**
 * Boots a guest and waits for its dump.
 *
 * @throws LabError when the guest says that it failed, or takes too long; the console then shows why
 */
export async function boot(guest: Guest, machine: Machine, work: string): Promise<Outcome> {
  const vmcore = join(work, 'vmcore.raw');
  const oracle = join(work, 'oracle.tar');
  const consoleLog = join(work, 'console.log');
  const truth = join(work, 'truth.log');
  // A socket's path must be short.
  const monitor = join(tmpdir(), `kwhy-lab-${process.pid}.qmp`);
  for (const path of [consoleLog, truth, monitor]) rmSync(path, { force: true });
  sparseFile(vmcore, (machine.memoryMb + 64) * 2 ** 20);
  sparseFile(oracle, machine.oracleBytes);
  const kernelWords = `console=ttyS0 loglevel=4 crashkernel=${machine.crashkernelMb}M panic=20 ${machine.cmdline}`;
  const options: readonly (readonly string[])[] = [
    ['-accel', 'tcg,thread=multi'],
    ['-cpu', machine.cpu],
    ['-smp', String(machine.cpus)],
    ['-m', String(machine.memoryMb)],
    ['-kernel', guest.kernel],
    ['-initrd', guest.initrd],
    ['-append', kernelWords.trim()],
    ['-nodefaults'],
    ['-display', 'none'],
    ['-no-reboot'],
    ['-device', 'vmcoreinfo'],
    ['-serial', `file:${consoleLog}`],
    ['-serial', `file:${truth}`],
    ['-drive', `file=${vmcore},if=none,id=core,format=raw`],
    ['-drive', `file=${oracle},if=none,id=oracle,format=raw`],
    ['-device', 'nvme,id=nvme,serial=lab'],
    ['-device', 'nvme-ns,drive=core,nsid=1'],
    ['-device', 'nvme-ns,drive=oracle,nsid=2'],
    ['-qmp', `unix:${monitor},server=on,wait=off`],
    machine.balloon ? ['-device', 'virtio-balloon-pci'] : [],
  ];
  const ofHost: Record<string, unknown>[] = [];
  const child = spawn(tool('qemu-system-x86_64'), options.flat(), { stdio: ['ignore', 'inherit', 'inherit'] });
  let ended = false;
  child.once('exit', () => (ended = true));
  child.once('error', () => (ended = true));
  const deadline = Date.now() + machine.timeout * 1000;
  try {
    while (!ended) {
      if (Date.now() > deadline) throw new LabError(`no dump after ${machine.timeout} s; see ${consoleLog}`);
      await sleep(200);
      const take = field(readMessages(truth), 'balloon');
      if (isNumber(take) && ofHost.length === 0) {
        const whole = machine.memoryMb * 2 ** 20;
        const left = await inflate(monitor, whole - Number(take) * 2 ** 20);
        ofHost.push({ truth: 'count', name: 'bytes that the host took', value: whole - left });
      }
      if (field(readMessages(truth), 'dump') === 'live') {
        const qmp = await Qmp.connect(monitor);
        rmSync(vmcore, { force: true });
        await qmp.execute('dump-guest-memory', {
          paging: false,
          protocol: `file:${vmcore}`,
          format: machine.liveFormat,
        });
        qmp.close();
        await untilAfterwards(truth, machine.goesOn);
        break;
      }
      if (field(readMessages(truth), 'failed') !== undefined) break;
    }
  } finally {
    child.kill('SIGKILL');
    rmSync(monitor, { force: true });
  }
  const messages = [...readMessages(truth), ...ofHost];
  const failed = field(messages, 'failed');
  if (failed !== undefined) throw new LabError(`the guest failed: ${JSON.stringify(failed)}; see ${consoleLog}`);
  const size = field(messages, 'vmcore');
  if (isNumber(size)) truncateSync(vmcore, Number(size));
  else if (field(messages, 'dump') !== 'live') throw new LabError(`the guest ended without a dump; see ${consoleLog}`);
  const note = field(messages, 'note');
  if (note !== undefined) console.error(`note: ${JSON.stringify(note)}`);
  const recorded = field(messages, 'oracle');
  if (!isNumber(recorded)) throw new LabError(`the guest did not say how much it recorded; see ${consoleLog}`);
  truncateSync(oracle, Number(recorded));
  if (note === undefined && !beginsWithTar(oracle)) throw new LabError('what the guest recorded is not on its drive');
  return { vmcore, oracle, console: consoleLog, messages };
}
