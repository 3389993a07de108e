/**
 * Known differences from nm, bpftool and pahole.
 */
import type { Answer, Answers } from '../answers.ts';
import type { Explanation } from '../compare.ts';

const text = (answer: Answer | undefined): string => (typeof answer === 'string' ? answer : '');

const unsigned32 = (values: string): string =>
  values.replace(/=(-?\d+)\b/g, (_, value: string) => `=${BigInt.asUintN(32, BigInt(value))}`);

/** Whether bpftool calls any enum signed: BTF has had a bit for it since Linux 6.0 (commit 6089fb325cf7). */
const signs = new WeakMap<Answers, boolean>();
function tellsSigns(theirs: Answers): boolean {
  let tells = signs.get(theirs);
  if (tells === undefined) {
    tells = [...theirs.group('BTF records').values()].some((each) => /^ENUM \S+ \d SIGNED /.test(text(each)));
    signs.set(theirs, tells);
  }
  return tells;
}

/** Names that scripts/kallsyms (is_ignored_symbol()) leaves out, by kind. */
const LEFT_OUT: readonly (readonly [name: string, pattern: RegExp, argument: string])[] = [
  ['local labels', /^(\.L|L0|\$)/, "scripts/kallsyms leaves out the compiler's and assembler's local labels"],
  ['versions of exports', /^__crc_/, 'scripts/kallsyms leaves out the checksums of exported symbols'],
  ['names of exports', /^__kstrtab(ns)?_/, 'scripts/kallsyms leaves out the strings of exported symbols'],
  ['its own tables', /^kallsyms_/, 'scripts/kallsyms leaves out the tables that it makes'],
  [
    'numbers of the linker script',
    /^(init_per_cpu__\w+|kexec_control_code_size|phys_startup_64|text_size|xen_elfnote_\w+_value)$/,
    'absolute symbols of the linker script outside the image are no places in the kernel',
  ],
  ['prefixes', /^__pfx_/, 'scripts/kallsyms leaves out the padding before functions (6.3 and later)'],
];

/** Enums and unions that are defined inside a function, which pahole does not print. */
const LOCAL: readonly string[] = ['enum slab_modes', 'union cpumask_rcuhead'];

export const IMAGE: readonly Explanation[] = [
  ...LEFT_OUT.map(
    ([name, pattern, argument]): Explanation => ({
      name: `kallsyms leaves out ${name}`,
      oracle: 'nm',
      group: 'symbols',
      verdict: 'both',
      argument: `${argument}; the kernel itself does not know them.`,
      explains: ({ key, ours }) => ours === undefined && pattern.test(key.slice(0, key.lastIndexOf('@'))),
    }),
  ),
  {
    name: 'kallsyms leaves out constants of the assembler',
    oracle: 'nm',
    group: 'symbols',
    verdict: 'both',
    argument: 'Names set with .set in assembler files are numbers (a, less than a page from zero), no addresses.',
    explains: ({ key, ours, theirs }) => {
      const value = BigInt.asIntN(64, BigInt(key.slice(key.lastIndexOf('@') + 1)));
      return ours === undefined && theirs === 'a' && value > -4096n && value < 4096n;
    },
  },
  {
    name: 'per-CPU variables as absolute',
    oracle: 'nm',
    group: 'symbols',
    verdict: 'both',
    argument:
      'scripts/kallsyms --absolute-percpu marks per-CPU variables, whose values are offsets, as absolute (A); nm shows the section that they are linked into. The value is the same.',
    explains: ({ key, ours, theirs }) =>
      ours === 'A' && /^[dDbBvVwW]$/.test(text(theirs)) && BigInt(key.slice(key.lastIndexOf('@') + 1)) < 1n << 24n,
  },
  {
    name: 'enumerators above 2^31',
    oracle: 'bpftool',
    group: 'BTF records',
    verdict: 'oracle',
    argument:
      'bpftool prints the 32-bit value of an unsigned enumerator sign-extended to 64 bits in its JSON; cut to 32 bits both are the same.',
    explains: ({ ours, theirs }) =>
      /^ENUM \S+ 4 UNSIGNED /.test(text(theirs)) &&
      /^ENUM \S+ 4 UNSIGNED /.test(text(ours)) &&
      unsigned32(text(theirs)) === text(ours),
  },
  {
    name: 'BTF without signs',
    oracle: 'bpftool',
    group: 'BTF records',
    verdict: 'both',
    argument:
      'BTF older than 6.0 does not tell whether an enum is signed, and has 32 bits of each value: bpftool calls them all unsigned. We call one signed when a value has the sign bit, since the compiler gives int to such an enum only for a negative one; drgn compares the values themselves with DWARF.',
    explains: ({ ours, theirs }, all) =>
      /^ENUM \S+ [48] SIGNED /.test(text(ours)) &&
      !tellsSigns(all.theirs) &&
      unsigned32(text(ours)).replace(' SIGNED ', ' UNSIGNED ') === unsigned32(text(theirs)),
  },
  {
    name: 'enums of BTF without signs',
    oracle: 'drgn',
    group: 'DWARF layouts',
    verdict: 'both',
    argument:
      'BTF older than 6.0 has no signs of enums and 32 bits of each value: which of 4294967295 and -1 is meant, and what an 8-byte enumerator has above them, it does not tell. The 32 bits are the same.',
    explains: ({ key, ours, theirs }, all) =>
      key.startsWith('enum ') &&
      all.ours.get('BTF', 'tells signs') === 'no' &&
      unsigned32(text(ours)) === unsigned32(text(theirs)),
  },
  {
    name: 'types inside functions',
    oracle: 'drgn',
    group: 'DWARF layouts',
    verdict: 'oracle',
    argument:
      'drgn finds no types that are defined inside a function. pahole finds them, and compares the structs; LOCAL lists the others.',
    explains: ({ key, theirs }, all) =>
      theirs === undefined && (all.ours.get('layouts', key) !== undefined || LOCAL.includes(key)),
  },
];
