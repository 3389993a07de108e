/**
 * `npm run oracle -- --lines`: files, lines and inlined functions of 10,000 addresses of each kernel's code, by us and by
 * addr2line -i from the same vmlinux. Addresses are taken evenly over the code, so that every run asks the same.
 */
import { table } from '../bench/statistics.ts';
import { attempt } from '../src/base/errors.ts';
import type { SourceFrame } from '../src/debuginfo/dwarf/dwarf-lines.ts';
import { openDebugFile } from '../src/program/debug-file.ts';
import { openProgram } from '../src/program/open.ts';
import type { DumpToAsk } from './dumps.ts';
import type { Peers } from './peers.ts';

const ADDRESSES = 10_000;

export interface LineTally {
  readonly release: string;
  readonly binutils: string;
  asked: number;
  equal: number;
  /** Of the equal ones: with functions inlined. */
  inlined: number;
  readonly kinds: Map<string, { count: number; readonly example: string }>;
}

export interface TheirFrame {
  readonly func: string;
  readonly place: string;
}

/** What `addr2line -a -f -i` prints: an address, then two lines for each function. */
export function parseAddr2line(output: string): ReadonlyMap<bigint, readonly TheirFrame[]> {
  const found = new Map<bigint, TheirFrame[]>();
  let frames: TheirFrame[] = [];
  let func: string | undefined;
  for (const line of output.split('\n')) {
    if (/^0x[0-9a-f]{16}$/.test(line)) {
      frames = [];
      found.set(BigInt(line), frames);
      func = undefined;
    } else if (func === undefined) func = line;
    else {
      frames.push({ func, place: line.replace(/ \(discriminator \d+\)$/, '') });
      func = undefined;
    }
  }
  return found;
}

const ASSEMBLER = 'code of assembler: addr2line takes the name of a symbol';
const RUST = 'names of Rust, which addr2line gives as symbols spell them';
const UNTOLD = 'no line is told by us';
const BETWEEN = 'code between functions: a name and no line for addr2line, nothing for us';

/** Why it differs; undefined when it does not. */
export function lineDifference(ours: readonly SourceFrame[], theirs: readonly TheirFrame[]): string | undefined {
  const nothing = theirs.every(({ place }) => place.startsWith('??:'));
  if (ours.length === 0 && theirs.every(({ place }) => place.endsWith(':?'))) return nothing ? undefined : BETWEEN;
  if (ours.length === 0) return nothing ? undefined : UNTOLD;
  if (ours.every(({ file, line }) => file === undefined && line === undefined) && nothing) return undefined;
  if (nothing) return 'no line is told by addr2line';
  if (ours.length !== theirs.length) return 'the number of functions';
  const places = ours.every((frame, i) => isSamePlace(frame, theirs[i]?.place ?? ''));
  if (!places) return 'file or line';
  const names = ours.every(({ func }, i) => func === theirs[i]?.func);
  if (names) return undefined;
  if (theirs.some(({ func }) => func.startsWith('_R'))) return RUST;
  const unnamed = ours.length === 1 && ours[0]?.func === undefined;
  return unnamed || theirs.every(({ place }) => place.includes('.S:')) ? ASSEMBLER : 'the name of a function';
}

/** addr2line puts the folder of the build in front. */
function isSamePlace({ file, line }: SourceFrame, place: string): boolean {
  const [, path = '', number = ''] = /^(.*):(\d+|\?)$/.exec(place) ?? [];
  const plain = (text: string): string => text.replace(/(^|\/)\.\//g, '$1');
  const sameLine = line === undefined ? number === '?' || number === '0' : String(line) === number;
  return (
    sameLine &&
    (file === undefined ? path === '??' : plain(path) === plain(file) || plain(path).endsWith(`/${plain(file)}`))
  );
}

/** @throws PeerError */
export function askLines(dumps: readonly DumpToAsk[], peers: Peers): LineTally[] {
  const seen = new Set<string>();
  const tallies: LineTally[] = [];
  for (const { path, name } of dumps) {
    const program = openProgram(path);
    const release = program.vmcoreinfo.osRelease ?? name;
    program.close();
    const vmlinux = seen.has(release) ? undefined : peers.vmlinux(release);
    seen.add(release);
    if (vmlinux !== undefined) tallies.push(askKernel(release, vmlinux, peers));
  }
  return tallies;
}

function askKernel(release: string, vmlinux: string, peers: Peers): LineTally {
  const binutils = peers.versions().get('binutils') ?? '?';
  const tally: LineTally = { release, binutils, asked: 0, equal: 0, inlined: 0, kinds: new Map() };
  const file = openDebugFile(vmlinux);
  try {
    const start = file.addressOf('_stext') ?? 0n;
    const step = ((file.addressOf('_etext') ?? 0n) - start) / BigInt(ADDRESSES);
    const addresses = Array.from({ length: ADDRESSES }, (_, i) => start + BigInt(i) * step);
    const input = addresses.map((address) => `0x${address.toString(16)}\n`).join('');
    const command = ['addr2line', '-a', '-f', '-i', '-e', peers.inside(vmlinux)];
    const theirs = parseAddr2line(peers.run(command, undefined, input));
    for (const address of addresses) {
      const ours = attempt(() => file.lineAt(address)) ?? [];
      const frames = theirs.get(address) ?? [];
      tally.asked++;
      const kind = lineDifference(ours, frames);
      if (kind === undefined) {
        tally.equal++;
        if (ours.length > 1) tally.inlined++;
        continue;
      }
      const known = tally.kinds.get(kind);
      const mine = ours.map(({ func, file: path, line }) => `${func} ${path}:${line}`).join(' < ') || 'nothing';
      const example = `${address.toString(16)}: ${mine} / ${frames.map(({ func, place }) => `${func} ${place}`).join(' < ')}`;
      if (known !== undefined) known.count++;
      else tally.kinds.set(kind, { count: 1, example });
    }
  } finally {
    file.close();
  }
  return tally;
}

const EXPLAINED: readonly string[] = [ASSEMBLER, RUST, BETWEEN];
/** Padding behind a function, which belongs to no unit; addr2line gives it the function's last line. Of 10,000 addresses. */
const PADDING = 10;

/** All that differs has an explanation. */
export function areLinesSame({ asked, kinds }: LineTally): boolean {
  return (
    asked > 0 &&
    [...kinds].every(([kind, { count }]) => EXPLAINED.includes(kind) || (kind === UNTOLD && count <= PADDING))
  );
}

/** For the terminal, and for docs/oracle.md. */
export function linesReport(tallies: readonly LineTally[]): string {
  const number = (n: number): string => n.toLocaleString('en-US');
  const sums = tallies.map(({ release, asked, equal, inlined }) => [release, ...[asked, equal, inlined].map(number)]);
  const kinds = tallies.flatMap(({ release, kinds: found }) =>
    [...found].map(([kind, { count, example }]) => [
      release,
      kind,
      number(count),
      `\`${example.replaceAll('|', '/')}\``,
    ]),
  );
  const versions = [...new Set(tallies.map(({ binutils }) => binutils))].join(', ');
  return [
    `addr2line of binutils ${versions}.`,
    table(['kernel', 'addresses', 'equal', 'of them with inlined functions'], sums),
    table(['kernel', 'difference', 'times', 'the first: ours / addr2line'], kinds),
  ].join('\n\n');
}
