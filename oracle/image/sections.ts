/**
 * The kernel's image as readelf describes it: the build id, and that what we found in the dump's memory as BTF and as
 * unwind tables is byte for byte what the linker put there.
 */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { type VirtAddr, add, distance } from '../../src/base/address.ts';
import { attempt } from '../../src/base/errors.ts';
import type { Program } from '../../src/program/program.ts';
import { Answers, UNREADABLE } from '../answers.ts';

/** Symbols around a section. The linker sorts .orc_unwind at build time since 5.6, so the kernel leaves it as it is. */
const SECTIONS = {
  '.BTF': ['__start_BTF', '__stop_BTF'],
  '.orc_unwind_ip': ['__start_orc_unwind_ip', '__stop_orc_unwind_ip'],
  '.orc_unwind': ['__start_orc_unwind', '__stop_orc_unwind'],
} as const;

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex').slice(0, 16);

/** Our answers: group 'image'. */
export function imageAnswers(program: Program, answers: Answers): void {
  answers.say('image', 'build id', program.vmcoreinfo.buildId ?? UNREADABLE);
  for (const [section, [from, to]] of Object.entries(SECTIONS)) {
    const bytes = attempt(() => bytesBetween(program, program.symbol(from).address, program.symbol(to).address));
    answers.say('image', section, bytes === undefined ? UNREADABLE : `${bytes.length} bytes, ${digest(bytes)}`);
  }
}

function bytesBetween(program: Program, from: VirtAddr, to: VirtAddr): Uint8Array {
  const size = distance(to, from);
  const bytes = new Uint8Array(size);
  const step = 1 << 20;
  for (let at = 0; at < size; at += step)
    bytes.set(program.memory.readBytes(add(from, at), Math.min(step, size - at)), at);
  return bytes;
}

/**
 * The image's own answers.
 * @param sections - output of `readelf -SW`
 * @param notes - output of `readelf -n`
 */
export function readelfAnswers(vmlinux: string, sections: string, notes: string): Answers {
  const answers = new Answers();
  answers.say('image', 'build id', /Build ID: ([0-9a-f]+)/.exec(notes)?.[1]);
  for (const name of Object.keys(SECTIONS)) {
    const line = sections.split('\n').find((each) => each.includes(` ${name} `));
    const [, offset, size] = /PROGBITS\s+[0-9a-f]+ ([0-9a-f]+) ([0-9a-f]+)/.exec(line ?? '') ?? [];
    if (offset === undefined || size === undefined) continue;
    const bytes = readPart(vmlinux, parseInt(offset, 16), parseInt(size, 16));
    answers.say('image', name, `${bytes.length} bytes, ${digest(bytes)}`);
  }
  return answers;
}

function readPart(path: string, offset: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  const fd = openSync(path, 'r');
  try {
    for (let got = 0; got < size; ) {
      const more = readSync(fd, bytes, got, size - got, offset + got);
      if (more === 0) throw new Error(`${path} ends inside a section`);
      got += more;
    }
  } finally {
    closeSync(fd);
  }
  return bytes;
}
