/**
 * Records of BTF some of whose bytes are lost or wrong. Records tell their own length and nothing tells where one begins,
 * so behind a gap the next one is found by its looks: a run of records that all make sense. How many the gap held is not
 * written anywhere either, but every record behind it refers to others by number: of all numbers that the gap allows, the
 * run has the one with which its own references and those that lead into it make sense, as functions lead to prototypes
 * and members fit their structs. A run for which no number stands out is lost as well.
 */
import { KIND } from './btf-kinds.ts';

/** In the place of a record's word index: not known. */
export const LOST = 0xffff_ffff;

/** Words of struct btf_type. */
const HEADER = 3;
/** Records in a row that must make sense for one to be a beginning. */
const SYNC = 8;
/** Evidence that a number must have to be believed, and how far above that of the next best. */
const ENOUGH = 12;
/** Most references that are weighed of one run. */
const MAX_WEIGHED = 4096;
/** A gap may hold as many as fit; of larger ones nothing is tried. */
const MAX_TRIED = 1 << 16;
/** What a reference that makes no sense weighs. */
const AGAINST = -12;
const PAGE_WORDS = 1024;
/** What references lead to is judged by parts of so many words. */
const PART_WORDS = 256;
/** Longest chain of typedefs and qualifiers that sizes are looked up through. */
const MAX_CHAIN = 8;

export interface Section {
  /** The type section. */
  readonly words: Int32Array;
  /** Bytes of its words that are known to be missing: pairs of word indexes, end exclusive, rising. */
  readonly lost: readonly (readonly [number, number])[];
  /** Words behind struct btf_type by kind, once and per element; -1 for unknown kinds. */
  readonly fixed: Int32Array;
  readonly element: Int32Array;
  readonly firstId: number;
  /** One behind the last offset of a name. */
  readonly stringsEnd: number;
}

export interface Salvaged {
  /** Word index of each record by its number, or LOST. */
  readonly starts: Uint32Array;
  /** False when records are missing at the end: then nothing can be numbered on from there. */
  readonly endKnown: boolean;
  /** Words that belong to no record that is known by its number. */
  readonly lostWords: number;
}

const kindOfInfo = (info: number): number => (info >>> 24) & 0x7f;
const vlenOfInfo = (info: number): number => info & 0xffffff;

function setOf(...kinds: readonly number[]): Uint8Array {
  const set = new Uint8Array(128);
  for (const kind of kinds) set[kind] = 1;
  return set;
}
const NAMELESS = setOf(KIND.PTR, KIND.ARRAY, KIND.VOLATILE, KIND.CONST, KIND.RESTRICT, KIND.FUNC_PROTO);
const NAMED = setOf(KIND.INT, KIND.FWD, KIND.TYPEDEF, KIND.FUNC, KIND.VAR, KIND.DATASEC, KIND.FLOAT, KIND.TYPE_TAG);
const SIZED = setOf(KIND.INT, KIND.STRUCT, KIND.UNION, KIND.ENUM, KIND.ENUM64, KIND.FLOAT, KIND.DATASEC);
const ALIAS = setOf(KIND.TYPEDEF, KIND.CONST, KIND.VOLATILE, KIND.RESTRICT, KIND.TYPE_TAG);
const FLAGGED = setOf(KIND.STRUCT, KIND.UNION, KIND.FWD, KIND.ENUM, KIND.ENUM64, KIND.DECL_TAG, KIND.TYPE_TAG);
/** What nothing but a section or a tag refers to. */
const NO_TYPE = setOf(KIND.FUNC, KIND.VAR, KIND.DATASEC, KIND.DECL_TAG);
/** What no object can be. */
const NO_OBJECT = setOf(KIND.FUNC, KIND.VAR, KIND.DATASEC, KIND.DECL_TAG, KIND.FWD, KIND.FUNC_PROTO);

/** What a reference has to lead to. */
const ROLE = { type: 0, prototype: 1, object: 2, index: 3, unqualified: 4 } as const;

interface Run {
  /** Word indexes of its records. */
  readonly starts: readonly number[];
  /** Word index behind the last. */
  readonly end: number;
  /** Words between the run before and this one. */
  readonly gap: number;
}

/** References of some records: which number they lead to, what that has to be, and how many bits it may take (or 0). */
interface References {
  readonly roles: number[];
  readonly targets: number[];
  readonly spaces: number[];
}

export function salvage(section: Section): Salvaged {
  const reader = new Reader(section);
  const runs = reader.runs();
  const places = numbered(reader, runs, section.firstId);
  if (runs.length > 1) forgetStrangers(reader, places);
  let end = section.firstId;
  let known = 0;
  for (const [id, at] of places) {
    end = Math.max(end, id + 1);
    known += reader.length(at);
  }
  const starts = new Uint32Array(end - section.firstId).fill(LOST);
  for (const [id, at] of places) starts[id - section.firstId] = at;
  const last = starts.at(-1);
  const endKnown = last !== undefined && last + reader.length(last) === section.words.length;
  return { starts, endKnown, lostWords: section.words.length - known };
}

class Reader {
  readonly #section: Section;
  readonly #words: Int32Array;
  /** How many words before each one are missing. */
  readonly #missing: Uint32Array;
  readonly #maxId: number;

  constructor(section: Section) {
    this.#section = section;
    this.#words = section.words;
    this.#missing = new Uint32Array(section.words.length + 1);
    for (const [from, to] of section.lost) this.#missing.fill(1, from + 1, to + 1);
    for (let i = 1; i < this.#missing.length; i++)
      this.#missing[i] = (this.#missing[i] ?? 0) + (this.#missing[i - 1] ?? 0);
    this.#maxId = section.firstId + Math.floor(section.words.length / HEADER);
  }

  #isThere(from: number, to: number): boolean {
    return this.#missing[from] === this.#missing[to];
  }

  kind(at: number): number {
    return kindOfInfo(this.#words[at + 1] ?? 0);
  }

  /** Words of a record, as its header says. */
  length(at: number): number {
    const info = this.#words[at + 1] ?? 0;
    const kind = kindOfInfo(info);
    return HEADER + (this.#section.fixed[kind] ?? 0) + (this.#section.element[kind] ?? 0) * vlenOfInfo(info);
  }

  /** Bits of a type; 0 where they are not known. */
  bits(from: number, places: Places): number {
    let at = from;
    for (let i = 0; i < MAX_CHAIN; i++) {
      const kind = this.kind(at);
      if (kind === KIND.PTR) return 64;
      if (SIZED[kind] === 1) return (this.#words[at + 2] ?? 0) * 8;
      if (ALIAS[kind] !== 1) return 0;
      const next = places.get((this.#words[at + 2] ?? 0) >>> 0);
      if (next === undefined) return 0;
      at = next;
    }
    return 0;
  }

  runs(): Run[] {
    const size = this.#words.length;
    const runs: Run[] = [];
    let starts: number[] = [];
    let gap = 0;
    let at = 0;
    while (at + HEADER <= size) {
      if (this.#isHeader(at)) {
        const end = at + this.length(at);
        // A struct part of whose members is damaged still tells where the next record begins.
        if (end <= size && (this.#isSound(at) || this.#isSync(end))) {
          starts.push(at);
          at = end;
          continue;
        }
      }
      // What goes wrong shows at the record behind: the one before it may be what is damaged.
      const from = this.#isThere(at, at + HEADER) ? (starts.pop() ?? at) : at;
      if (starts.length > 0) runs.push({ starts, end: from, gap });
      if (starts.length > 0) gap = 0;
      starts = [];
      at++;
      while (at + HEADER <= size && !this.#isSync(at)) at++;
      gap += at - from;
    }
    if (starts.length > 0) runs.push({ starts, end: at, gap });
    return runs;
  }

  /** True when a record begins here, and others behind it. */
  #isSync(from: number): boolean {
    let at = from;
    for (let i = 0; i < SYNC; i++) {
      if (at === this.#words.length) return true;
      if (!this.#isHeader(at) || !this.#isSound(at)) return false;
      at += this.length(at);
    }
    return at <= this.#words.length;
  }

  #isHeader(at: number): boolean {
    if (!this.#isThere(at, at + HEADER)) return false;
    const name = (this.#words[at] ?? 0) >>> 0;
    const info = this.#words[at + 1] ?? 0;
    const third = (this.#words[at + 2] ?? 0) >>> 0;
    const kind = kindOfInfo(info);
    if (kind === 0 || (this.#section.fixed[kind] ?? -1) < 0 || name >= this.#section.stringsEnd) return false;
    if (info < 0 && FLAGGED[kind] !== 1) return false;
    if (NAMELESS[kind] === 1 ? name !== 0 : NAMED[kind] === 1 && name === 0) return false;
    const vlen = vlenOfInfo(info);
    if (this.#section.element[kind] === 0 && vlen > (kind === KIND.FUNC ? 2 : 0)) return false;
    switch (kind) {
      case KIND.INT:
      case KIND.FLOAT:
      case KIND.ENUM:
      case KIND.ENUM64:
        return third > 0 && third <= 16 && (third & (third - 1)) === 0;
      case KIND.ARRAY:
        return third === 0;
      case KIND.STRUCT:
      case KIND.UNION:
      case KIND.DATASEC:
        return third < 1 << 28;
      case KIND.FWD:
        return third === 0;
      default:
        return third < this.#maxId;
    }
  }

  /** True when what follows the header makes sense. */
  #isSound(at: number): boolean {
    const end = at + this.length(at);
    if (end > this.#words.length) return false;
    const body = at + HEADER;
    if (!this.#isThere(body, end)) return false;
    const word = (i: number): number => (this.#words[i] ?? 0) >>> 0;
    const isType = (i: number): boolean => word(i) !== 0 && word(i) < this.#maxId;
    switch (this.kind(at)) {
      case KIND.INT:
        return (word(body) & 0xff) <= 128;
      case KIND.ARRAY:
        return isType(body) && isType(body + 1);
      case KIND.STRUCT:
      case KIND.UNION:
        for (let i = body; i < end; i += 3) if (word(i) >= this.#section.stringsEnd || !isType(i + 1)) return false;
        return true;
      case KIND.ENUM:
        for (let i = body; i < end; i += 2) if (word(i) === 0 || word(i) >= this.#section.stringsEnd) return false;
        return true;
      case KIND.ENUM64:
        for (let i = body; i < end; i += 3) if (word(i) === 0 || word(i) >= this.#section.stringsEnd) return false;
        return true;
      case KIND.FUNC_PROTO:
        // Only the last parameter may be without a type: '...'.
        for (let i = body; i < end; i += 2) {
          if (word(i) >= this.#section.stringsEnd || (!isType(i + 1) && !(word(i + 1) === 0 && i + 2 === end)))
            return false;
        }
        return true;
      default:
        return true;
    }
  }

  /** Adds what a record refers to. */
  references(at: number, into: References): void {
    const kind = this.kind(at);
    const add = (role: number, target: number, space = 0): void => {
      if (target === 0) return;
      into.roles.push(role);
      into.targets.push(target);
      into.spaces.push(space);
    };
    const word = (i: number): number => (this.#words[i] ?? 0) >>> 0;
    const body = at + HEADER;
    const end = at + this.length(at);
    switch (kind) {
      case KIND.FUNC:
        return add(ROLE.prototype, word(at + 2));
      case KIND.PTR:
      case KIND.TYPEDEF:
      case KIND.TYPE_TAG:
        return add(ROLE.type, word(at + 2));
      case KIND.VOLATILE:
      case KIND.CONST:
      case KIND.RESTRICT:
        return add(ROLE.unqualified, word(at + 2));
      case KIND.ARRAY:
        add(ROLE.object, word(body));
        return add(ROLE.index, word(body + 1));
      case KIND.FUNC_PROTO:
        add(ROLE.type, word(at + 2));
        for (let i = body; i < end; i += 2) add(ROLE.object, word(i + 1));
        return;
      case KIND.STRUCT:
      case KIND.UNION: {
        // Bit fields share their bits.
        const flagged = (this.#words[at + 1] ?? 0) < 0;
        const all = word(at + 2) * 8;
        for (let i = body; i < end; i += 3) {
          const next = kind === KIND.UNION || i + 3 >= end ? all : word(i + 5);
          const space = next - word(i + 2);
          add(ROLE.object, word(i + 1), flagged || space <= 0 ? 0 : space);
        }
      }
    }
  }
}

/** Where the records with known numbers begin. */
type Places = Map<number, number>;

/** Gives each run the number of its first record, where it can be told. */
function numbered(reader: Reader, runs: readonly Run[], firstId: number): Places {
  const places: Places = new Map();
  /** References that lead to numbers not reached yet. */
  let ahead: References = { roles: [], targets: [], spaces: [] };
  let low = firstId;
  /** Records of runs before that could not be numbered, and how many more may have been lost with them. */
  let passed = 0;
  let slack = 0;
  /** How many of the records before may be of another place: a page of them, of which the next begins in the middle. */
  let doubtful = 0;
  for (const run of runs) {
    slack += Math.ceil(run.gap / HEADER);
    const own: References = { roles: [], targets: [], spaces: [] };
    for (const at of run.starts) reader.references(at, own);
    const evidence = new Evidence(reader, run, [own, ahead], places);
    // Most likely they are what they look like. Else they stand for as many as would fit.
    const isFirst = slack === 0 && passed === 0;
    const first = isFirst
      ? low
      : (evidence.likeliest(low + passed - doubtful, slack + doubtful) ??
        evidence.likeliest(low - doubtful, slack + doubtful + passed + Math.ceil(evidence.words / HEADER)));
    const records = run.starts.length;
    if (first === undefined) {
      passed += records;
      continue;
    }
    // It begins before the one before ends: so much of that one is of another place.
    if (first < low) for (let id = low - doubtful; id < low; id++) places.delete(id);
    for (const [i, at] of run.starts.entries()) places.set(first + i, at);
    low = first + records;
    passed = 0;
    slack = 0;
    doubtful = Math.min(records - 1, run.starts.filter((at) => at >= run.end - PAGE_WORDS).length);
    ahead = leadingTo(low, ahead, own);
  }
  return places;
}

function leadingTo(from: number, ...all: readonly References[]): References {
  const out: References = { roles: [], targets: [], spaces: [] };
  for (const { roles, targets, spaces } of all) {
    for (let i = 0; i < targets.length; i++) {
      if ((targets[i] ?? 0) < from) continue;
      out.roles.push(roles[i] ?? 0);
      out.targets.push(targets[i] ?? 0);
      out.spaces.push(spaces[i] ?? 0);
    }
  }
  return out;
}

/** What speaks for each number that the first record of a run may have. */
class Evidence {
  readonly words: number;
  readonly #references: readonly References[];
  readonly #kinds: Uint8Array;
  readonly #bits: Uint32Array;

  constructor(reader: Reader, run: Run, references: readonly References[], places: Places) {
    this.words = run.end - (run.starts[0] ?? run.end);
    this.#references = references;
    this.#kinds = Uint8Array.from(run.starts, (at) => reader.kind(at));
    this.#bits = Uint32Array.from(run.starts, (at) => reader.bits(at, places));
  }

  /** The number from `low` to `low + slack` for which by far most speaks. */
  likeliest(low: number, slack: number): number | undefined {
    if (slack > MAX_TRIED) return undefined;
    const scores = this.#scores(low, slack);
    let best = 0;
    let next = -Infinity;
    for (let i = 1; i <= slack; i++) {
      const score = scores[i] ?? 0;
      if (score > (scores[best] ?? 0)) {
        next = scores[best] ?? 0;
        best = i;
      } else if (score > next) next = score;
    }
    const score = scores[best] ?? 0;
    return score >= ENOUGH && score >= next + ENOUGH && score >= next * 1.25 ? low + best : undefined;
  }

  #scores(low: number, slack: number): Int32Array {
    const kinds = this.#kinds;
    const scores = new Int32Array(slack + 1);
    for (const { roles, targets, spaces } of this.#references) {
      const step = Math.max(1, Math.floor(targets.length / MAX_WEIGHED));
      for (let i = 0; i < targets.length; i += step) {
        const target = targets[i] ?? 0;
        const role = roles[i] ?? 0;
        const space = spaces[i] ?? 0;
        // Numbers of the first record with which the target is the run's last, or its first.
        const from = Math.max(low, target - kinds.length + 1);
        const to = Math.min(low + slack, target);
        for (let first = from; first <= to; first++) {
          const at = target - first;
          scores[first - low] = (scores[first - low] ?? 0) + weigh(role, space, kinds[at] ?? 0, this.#bits[at] ?? 0);
        }
      }
    }
    return scores;
  }
}

/** How well a record of a kind and size is what a reference leads to. */
function weigh(role: number, space: number, kind: number, bits: number): number {
  switch (role) {
    case ROLE.prototype:
      return kind === KIND.FUNC_PROTO ? 4 : AGAINST;
    case ROLE.index:
      return kind === KIND.INT ? 4 : AGAINST;
    case ROLE.object:
      if (NO_OBJECT[kind] === 1) return AGAINST;
      if (space === 0 || bits === 0) return 0;
      return bits > space ? AGAINST : bits === space ? 3 : 0;
    case ROLE.unqualified:
      return NO_TYPE[kind] === 1 || kind === KIND.CONST ? AGAINST : 0;
    default:
      return NO_TYPE[kind] === 1 ? AGAINST : 0;
  }
}

/** Forgets parts to which references lead that make no sense: pages of another place that look like records. */
function forgetStrangers(reader: Reader, places: Places): void {
  const right = new Map<number, number>();
  const wrong = new Map<number, number>();
  const bits = new Map<number, number>();
  for (const at of places.values()) {
    const references: References = { roles: [], targets: [], spaces: [] };
    reader.references(at, references);
    for (const [i, target] of references.targets.entries()) {
      const place = places.get(target);
      if (place === undefined) continue;
      let size = bits.get(place);
      if (size === undefined) bits.set(place, (size = reader.bits(place, places)));
      const weight = weigh(references.roles[i] ?? 0, references.spaces[i] ?? 0, reader.kind(place), size);
      const part = Math.floor(place / PART_WORDS);
      const side = weight < 0 ? wrong : right;
      side.set(part, (side.get(part) ?? 0) + 1);
    }
  }
  const isStrange = (part: number): boolean => {
    const against = wrong.get(part) ?? 0;
    return against > 1 && against * 16 > (right.get(part) ?? 0);
  };
  for (const [id, at] of places) if (isStrange(Math.floor(at / PART_WORDS))) places.delete(id);
}
