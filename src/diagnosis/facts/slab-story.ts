/** How damage to a slab object is told: what was written where, by the log or by memory, and what it reads as. */
import type { SlabDamage } from '../../kernel/slab-damage.ts';
import type { SlubTrack } from '../../kernel/slub-report.ts';
import type { Evidence } from '../../model/finding.ts';
import { address, type Data, name, prose, type Prose } from '../../model/value.ts';
import { placeText } from './oops-story.ts';
import type { Standing } from './slub-reports.ts';

export const hexByte = (byte: number): string => `0x${byte.toString(16).padStart(2, '0')}`;

/** What happened to the object, and who of the two that SLUB remembers has to do with it. */
export function readingOf(problem: string): { readonly what: string; readonly by: 'allocated' | 'freed' } {
  if (/redzone/i.test(problem)) return { what: 'was written beyond its bounds', by: 'allocated' };
  if (/^Poison/i.test(problem)) return { what: 'was written to after it was freed', by: 'freed' };
  if (/already free|double free/i.test(problem)) return { what: 'was freed twice', by: 'freed' };
  return { what: 'is damaged', by: 'allocated' };
}

export const WHAT_HAPPENED: { readonly [K in SlabDamage['kind']]: string } = {
  before: 'was written before its begin',
  behind: 'was written beyond its end',
  freed: 'was written to after it was freed',
  'free-list': 'was written to after it was freed',
};

/** ', as text AAAAAAAA'; empty where the bytes are no text. */
export function asText(bytes: Uint8Array, least = 4): Prose {
  const text = Buffer.from(bytes).toString('latin1');
  return bytes.length >= least && /^[\x20-\x7e]+$/.test(text) ? prose`, as text ${name(text)}` : [];
}

/** What stands where. */
export function damageText(damage: SlabDamage): Prose {
  const { object, index, found, wanted, kind, leadsTo, cpu } = damage;
  if (kind === 'free-list') {
    const list = cpu === undefined ? 'The list of free objects of a slab' : `The list of free objects of CPU ${cpu}`;
    const over = asText(damage.overwritten);
    const text =
      over.length === 0 ? '' : prose`; what was written over the pointer begins, as text, with ${over.slice(1)}`;
    return prose`${list} leads to ${leadsTo === undefined ? 'nowhere' : address(leadsTo)}, where no object is${text}.`;
  }
  const where = { before: 'In front of object', behind: 'Behind object', freed: 'In the free object' }[kind];
  const which = object === undefined ? '' : prose` ${address(object)}, number ${String(index ?? 0)} of its slab,`;
  const bytes = prose`${found.length === 1 ? 'stands' : `stand ${found.length} bytes that begin with`} ${hexByte(found[0] ?? 0)}`;
  return prose`${where}${which} ${bytes} in place of ${hexByte(wanted ?? 0)}${asText(found)}.`;
}

export function damageEvidence(damage: SlabDamage): Evidence {
  const { object, from, cacheName, kind } = damage;
  const what =
    kind === 'free-list'
      ? prose`A list of free objects of ${name(cacheName)} leads to no object of its slab.`
      : prose`The bytes from ${address(from)} on, of ${name(cacheName)}, are none that the kernel puts there.`;
  return {
    claim: what,
    address: object ?? damage.cache,
    ctype: object === undefined ? 'struct kmem_cache' : 'void',
    confidence: 'certain',
    show: `rd ${from.toString(16)} ${String(Math.max(1, Math.ceil(damage.found.length / 8)))}`,
  };
}

export function damageData(damage: SlabDamage | undefined): Data {
  if (damage === undefined) return undefined;
  return {
    kind: damage.kind,
    object: damage.object === undefined ? undefined : address(damage.object),
    from: address(damage.from),
    bytes: Buffer.from(damage.found).toString('hex'),
    wanted: damage.wanted,
    leadsTo: damage.leadsTo === undefined ? undefined : address(damage.leadsTo),
    overwritten: damage.overwritten.length === 0 ? undefined : Buffer.from(damage.overwritten).toString('hex'),
    cpu: damage.cpu,
  };
}

/** Whether memory still has what the log tells. */
export function standingText(standing: Standing | undefined): Prose {
  if (standing === undefined)
    return ['By the log alone: SLUB mends what it has reported, and memory shows it no more.'];
  if (standing.by === 'free') return ['By the log; in memory the object is on a list of free ones.'];
  return ['By the log; memory has it still.'];
}

/** 'allocated in foo+0x12 of module bar by pid 3, freed last in ...'; empty where SLUB remembers nobody. */
export function tracksText(allocated: SlubTrack | undefined, freed: SlubTrack | undefined): Prose {
  const text = (verb: string, track: SlubTrack | undefined): Prose[] => {
    if (track === undefined) return [];
    const by = track.pid === undefined ? '' : ` by pid ${track.pid}`;
    return [prose`${verb} in ${placeText(track)}${by}`];
  };
  const parts = [...text('allocated', allocated), ...text('freed last', freed)];
  return parts.flatMap((part, i): Prose => (i === 0 ? part : [', ', ...part]));
}
