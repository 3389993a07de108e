/**
 * Runs a guest of the matrix in QEMU: the dumps of the running machine without VMCOREINFO and with it, then its kdump.
 * The guest's second serial port is a socket, because the guest waits there for a word.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, ftruncateSync, openSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Guest } from '../guest.ts';
import { Qmp } from '../qmp.ts';
import { LabError } from '../run.ts';
import { tool } from '../tools.ts';

export interface MatrixMachine {
  readonly memoryMb: number;
  readonly crashkernelMb: number;
  /** QEMU's `-smp`. */
  readonly cpus: string;
  /** QEMU's `-cpu`. */
  readonly cpu: string;
  readonly cmdline: string;
  /** Seconds until the guest is given up. */
  readonly timeout: number;
}

/** The dumps of a guest, by the names of their files in its folder. */
export const LIVE_FILES = {
  elf: 'live-elf.raw',
  'kdump-zlib': 'live-kdump.raw',
  'elf with note': 'live-elf-note.raw',
  'kdump-zlib with note': 'live-kdump-note.raw',
} as const;
export const KDUMP_FILE = 'vmcore.raw';

type Message = Readonly<Record<string, unknown>>;

function readMessages(path: string): Message[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split(/\r?\n/)
    .flatMap((line) => {
      try {
        return line.startsWith('{') ? [JSON.parse(line) as Message] : [];
      } catch {
        return [];
      }
    });
}

function optionsOf(guest: Guest, machine: MatrixMachine, work: string, port: string, monitor: string): string[] {
  const words = `console=ttyS0 loglevel=4 crashkernel=${machine.crashkernelMb}M panic=20 ${machine.cmdline}`;
  const options: readonly (readonly string[])[] = [
    ['-accel', 'tcg,thread=multi'],
    ['-cpu', machine.cpu],
    ['-smp', machine.cpus],
    ['-m', String(machine.memoryMb)],
    ['-kernel', guest.kernel],
    ['-initrd', guest.initrd],
    ['-append', words.trim()],
    ['-nodefaults'],
    ['-display', 'none'],
    ['-no-reboot'],
    ['-device', 'vmcoreinfo'],
    ['-serial', `file:${join(work, 'console.log')}`],
    ['-chardev', `socket,id=truth,path=${port},server=on,wait=off,logfile=${join(work, 'truth.log')}`],
    ['-serial', 'chardev:truth'],
    ['-drive', `file=${join(work, KDUMP_FILE)},if=none,id=core,format=raw`],
    ['-drive', `file=${join(work, 'oracle.tar')},if=none,id=oracle,format=raw`],
    ['-device', 'nvme,id=nvme,serial=lab'],
    ['-device', 'nvme-ns,drive=core,nsid=1'],
    ['-device', 'nvme-ns,drive=oracle,nsid=2'],
    ['-qmp', `unix:${monitor},server=on,wait=off`],
  ];
  return options.flat();
}

function sparseFile(path: string, bytes: number): void {
  rmSync(path, { force: true });
  const fd = openSync(path, 'w');
  ftruncateSync(fd, bytes);
  closeSync(fd);
}

async function connected(path: string): Promise<Socket> {
  const socket = connect(path);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  socket.on('error', () => undefined);
  return socket.resume();
}

async function dumpBoth(qmp: Qmp, work: string, elf: string, kdump: string): Promise<void> {
  for (const [format, name] of [['elf', elf] as const, ['kdump-zlib', kdump] as const]) {
    rmSync(join(work, name), { force: true });
    const protocol = `file:${join(work, name)}`;
    await qmp.execute('dump-guest-memory', { paging: false, protocol, format });
  }
}

/**
 * Boots a guest and takes its dumps into `work`; returns what it told.
 *
 * @throws LabError when the guest says that it failed, or takes too long
 */
export async function bootMatrix(guest: Guest, machine: MatrixMachine, work: string): Promise<readonly Message[]> {
  const truth = join(work, 'truth.log');
  // A socket's path must be short.
  const [port, monitor] = ['port', 'qmp'].map((name) => join(tmpdir(), `kwhy-matrix-${process.pid}.${name}`));
  if (port === undefined || monitor === undefined) throw new LabError('no paths');
  for (const path of [truth, port, monitor]) rmSync(path, { force: true });
  sparseFile(join(work, KDUMP_FILE), (machine.memoryMb + 64) * 2 ** 20);
  sparseFile(join(work, 'oracle.tar'), 2 ** 27);
  const options = optionsOf(guest, machine, work, port, monitor);
  const child = spawn(tool('qemu-system-x86_64'), options, { stdio: ['ignore', 'inherit', 'inherit'] });
  let ended = false;
  child.once('exit', () => (ended = true));
  child.once('error', () => (ended = true));
  const deadline = Date.now() + machine.timeout * 1000;
  const until = async (name: string): Promise<unknown> => {
    for (;;) {
      const last = ended;
      const messages = readMessages(truth);
      const failed = messages.find((message) => 'failed' in message);
      if (failed !== undefined) throw new LabError(`the guest failed: ${JSON.stringify(failed)}`);
      const found = messages.find((message) => name in message);
      if (found !== undefined) return found[name];
      if (last) throw new LabError(`the guest ended before it said ${name}; see ${join(work, 'console.log')}`);
      if (Date.now() > deadline) throw new LabError(`no word of ${name} after ${machine.timeout} s`);
      await sleep(200);
    }
  };
  let socket: Socket | undefined;
  try {
    await until('dump');
    const qmp = await Qmp.connect(monitor);
    await dumpBoth(qmp, work, LIVE_FILES.elf, LIVE_FILES['kdump-zlib']);
    socket = await connected(port);
    socket.write('note\n');
    await until('late');
    await dumpBoth(qmp, work, LIVE_FILES['elf with note'], LIVE_FILES['kdump-zlib with note']);
    qmp.close();
    socket.write('crash\n');
    truncateSync(join(work, KDUMP_FILE), Number(await until('vmcore')));
    while (!ended && Date.now() < deadline) await sleep(200);
  } finally {
    socket?.destroy();
    child.kill('SIGKILL');
    for (const path of [port, monitor]) rmSync(path, { force: true });
  }
  return readMessages(truth);
}
