/**
 * Asks everybody about one dump: opens it, has our helpers answer, then each oracle that is there, and compares.
 */
import { statSync } from 'node:fs';
import { type Btf } from '../src/debuginfo/btf.ts';
import { cpus } from '../src/kernel/cpus.ts';
import { openProgram } from '../src/program/open.ts';
import type { Program } from '../src/program/program.ts';
import { type Answers, answersOf } from './answers.ts';
import { fileHash, remembered } from './cache.ts';
import { compare, type Explanation, type Subject, type Tally } from './compare.ts';
import { crashAnswers, crashInput, runCrash } from './crash/answers.ts';
import { sayForCrash } from './crash/ours.ts';
import { drgnOfCrash } from './crashes.ts';
import { withReadable } from './drgn/twin.ts';
import type { DumpToAsk } from './dumps.ts';
import { btfAnswers } from './image/btf.ts';
import { layoutsOf, paholeAnswers, sayLayouts } from './image/layouts.ts';
import { imageAnswers, readelfAnswers } from './image/sections.ts';
import { kallsymsAnswers, nmAnswers } from './image/symbols.ts';
import { sayCrash } from './ours/crash.ts';
import { lockWords, ourAnswers } from './ours/answers.ts';
import { join } from 'node:path';
import { oracleRoot } from './paths.ts';
import { PeerError, type Peers } from './peers.ts';
import { procAnswers } from './proc/answers.ts';
import { memoryAnswers } from './proc/memory.ts';
import { sayMemoryForProc } from './proc/ours-memory.ts';
import { sayForProc } from './proc/ours.ts';
import { readRecording } from './proc/recording.ts';

export interface Asked {
  readonly dump: DumpToAsk;
  readonly subject: Subject;
  readonly tallies: readonly Tally[];
  /** Oracles that could not be asked, and why. */
  readonly missing: readonly string[];
}

/** Groups that hold more than an oracle has: there, only what it says is asked. */
const PARTIAL: Readonly<Record<string, readonly string[]>> = {
  drgn: ['meminfo', 'system'],
  crash: ['zones', 'counters', 'events', 'modules', 'kmem -i', 'sys', 'directories'],
};
/** Groups in which an oracle has names that none of our helpers has a question for. */
const SHARED: Readonly<Record<string, readonly string[]>> = {
  crash: ['kmem -i', 'directories'],
  proc: ['meminfo kB', 'vmstat', 'memory cgroups'],
};

const LAYOUTS = 'drgn/layouts.py';

/** Asks about dumps one after the other; what depends on the kernel alone is asked of the first dump of each. */
export class Asker {
  readonly #peers: Peers;
  readonly #explanations: readonly Explanation[];
  readonly #procOnly: boolean;
  readonly #kernels = new Set<string>();

  /** @param procOnly - the recordings alone, which need no other program */
  constructor(peers: Peers, explanations: readonly Explanation[], procOnly = false) {
    this.#procOnly = procOnly;
    this.#peers = peers;
    this.#explanations = explanations;
  }

  ask(dump: DumpToAsk): Asked {
    const program = openProgram(dump.path);
    try {
      return this.#ask(dump, program);
    } finally {
      program.close();
    }
  }

  #ask(dump: DumpToAsk, program: Program): Asked {
    const release = program.vmcoreinfo.osRelease ?? 'unknown';
    const subject: Subject = {
      dump: dump.name,
      release,
      format: program.dump.format,
      level: program.dump.dumpLevel ?? (dump.path.endsWith('elf.vmcore') ? 31 : 0),
      live: program.vmcoreinfo.crashTime === undefined,
    };
    const tallies: Tally[] = [];
    const missing: string[] = [];
    const { answers, locks, tasks, stacks } = ourAnswers(program);
    kallsymsAnswers(program, answers);
    imageAnswers(program, answers);
    const versus = (oracle: string, ask: () => Answers): void => {
      try {
        const theirs = ask();
        for (const group of SHARED[oracle] ?? []) {
          for (const key of theirs.group(group).keys())
            if (answers.get(group, key) === undefined) theirs.group(group).delete(key);
        }
        const complete = (group: string): boolean => oracle !== 'proc' && !(PARTIAL[oracle] ?? []).includes(group);
        tallies.push(...compare(subject, answers, { oracle, theirs, complete }, this.#explanations));
      } catch (error) {
        if (!(error instanceof PeerError)) throw error;
        missing.push(`${oracle}: ${error.message}`);
      }
    };
    const recording = readRecording(dump.path);
    if (recording === undefined) missing.push('proc: no recording lies beside this dump');
    else {
      sayForProc(program, tasks, stacks, answers);
      sayMemoryForProc(program, answers);
      versus('proc', () => {
        const theirs = procAnswers(recording);
        memoryAnswers(recording, cpus(program, 'online').length, theirs);
        return theirs;
      });
    }
    if (this.#procOnly) return { dump, subject, tallies, missing };
    const vmlinux = this.#peers.vmlinux(release);
    if (vmlinux === undefined) {
      missing.push(`drgn, crash, nm, readelf, bpftool, pahole: no debug information of ${release}`);
      return { dump, subject, tallies, missing };
    }
    const hash = fileHash(dump.path);
    const image = `${release} ${statSync(vmlinux).size} ${program.vmcoreinfo.buildId ?? ''}`;
    const inside = this.#peers.inside(vmlinux);
    versus('drgn', () => {
      const words = lockWords(locks);
      const script = 'drgn/answers.py';
      const parts = [hash, image, this.#version('python3-drgn'), fileHash(join(oracleRoot, script)), ...words];
      const ask = (path: string): string =>
        this.#peers.run(['python3', this.#peers.script(script), this.#peers.dump(path), inside, ...words], path);
      return answersOf(JSON.parse(remembered('drgn', parts, () => withReadable(dump.path, release, ask))));
    });
    const crashed = sayCrash(program, answers);
    const { buildId } = program.vmcoreinfo;
    if (crashed !== undefined)
      versus('drgn', () => drgnOfCrash(this.#peers, dump, { release, vmlinux, buildId }, crashed));
    versus('crash', () => {
      sayForCrash(answers);
      const parts = [hash, image, this.#version('crash'), crashInput()];
      return crashAnswers(remembered('crash', parts, () => runCrash(this.#peers, dump.path, vmlinux)));
    });
    const tool = (name: string, input: string | undefined, ...command: readonly [string, ...string[]]): string => {
      const scripts = command.some((word) => word.endsWith('layouts.py')) ? [fileHash(join(oracleRoot, LAYOUTS))] : [];
      const parts = [image, this.#version(name), input ?? '', ...scripts, ...command];
      return remembered(command[0], parts, () => this.#peers.run(command, undefined, input));
    };
    versus('nm', () => nmAnswers(tool('binutils', undefined, 'nm', inside)));
    versus('readelf', () =>
      readelfAnswers(
        vmlinux,
        tool('binutils', undefined, 'readelf', '-SW', inside),
        tool('binutils', undefined, 'readelf', '-n', inside),
      ),
    );
    // That the BTF in memory is the image's is asked of every dump (readelf): its records, only once.
    if (!this.#kernels.has(image)) {
      this.#kernels.add(image);
      this.#askTypes(program, inside, answers, tool, versus);
    }
    return { dump, subject, tallies, missing };
  }

  #askTypes(
    program: Program,
    inside: string,
    ours: Answers,
    tool: (name: string, input: string | undefined, ...command: readonly [string, ...string[]]) => string,
    versus: (oracle: string, ask: () => Answers) => void,
  ): void {
    const btf = program.types.sources[0] as Btf | undefined;
    if (btf === undefined) return;
    versus('bpftool', () =>
      btfAnswers(tool('bpftool', undefined, 'bpftool', '-j', 'btf', 'dump', 'file', inside), btf, ours),
    );
    const layouts = layoutsOf(btf);
    ours.say('BTF', 'tells signs', btf.records.saysEnumSigns);
    versus('pahole', () => {
      const theirs = paholeAnswers(
        tool('dwarves', undefined, 'pahole', '-F', 'dwarf', '--show_private_classes', '--lang_exclude=rust', inside),
      );
      sayLayouts('layouts', layouts, /^struct /, theirs, ours);
      return theirs;
    });
    versus('drgn', () => {
      const script = this.#peers.script(LAYOUTS);
      const names = [...layouts.keys()].join('\n');
      const theirs = answersOf(JSON.parse(tool('python3-drgn', names, 'python3', script, inside)));
      sayLayouts('DWARF layouts', layouts, /./, theirs, ours);
      return theirs;
    });
  }

  #version(name: string): string {
    return `${name} ${this.#peers.versions().get(name) ?? ''}`;
  }
}
