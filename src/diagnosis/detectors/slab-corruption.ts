/**
 * SLUB's own checks found an object damaged: written beyond its end, used after it was freed, freed twice. The machine goes
 * on after such a report; where it then crashed of itself, the damage may be why, and otherwise it is only told.
 */
import { kernelStopped } from '../../model/condition.ts';
import { defineDetector } from '../../model/diagnosis.ts';
import type { Finding, StoryLine } from '../../model/finding.ts';
import { address, duration, name, plural, prose, type Prose } from '../../model/value.ts';
import { type SlubReport, slubReports, type SlubTrack } from '../../kernel/slub-report.ts';
import { logFact } from '../facts/log.ts';
import { moduleRemedy, placeText } from '../facts/oops-story.ts';
import { triggerFact } from '../facts/trigger.ts';

export default defineDetector({
  id: 'slab-corruption',
  title: 'Damaged objects that SLUB reported',
  summary:
    'With slub_debug the kernel notices writes beyond an object, or after it was freed, long before they do harm.',
  needs: { log: logFact, trigger: triggerFact },
  appliesTo: () => true,
  run({ log, trigger }) {
    const reports = slubReports(log.records);
    const [first] = reports;
    if (first === undefined) return [];
    return [findingOf(first, reports.length, trigger?.kind === 'oops' || trigger?.kind === 'panic')];
  },
});

/** What happened to the object, and who of the two that SLUB remembers has to do with it. */
function readingOf(problem: string): { readonly what: string; readonly by: 'allocated' | 'freed' } {
  if (/redzone/i.test(problem)) return { what: 'was written beyond its bounds', by: 'allocated' };
  if (/^Poison/i.test(problem)) return { what: 'was written to after it was freed', by: 'freed' };
  if (/already free|double free/i.test(problem)) return { what: 'was freed twice', by: 'freed' };
  return { what: 'is damaged', by: 'allocated' };
}

function findingOf(report: SlubReport, count: number, crashed: boolean): Finding {
  const { cache, problem, bytes, object, allocated, freed } = report;
  const reading = readingOf(problem);
  const track = report[reading.by] ?? allocated ?? freed;
  const module = track?.module;
  const more = count === 1 ? '' : prose`; ${plural(count - 1, 'more report')} followed`;
  return {
    detector: 'slab-corruption',
    cause: 'slab-corruption',
    role: crashed ? 'cause' : 'context',
    title: prose`An object of the slab cache ${name(cache)} ${reading.what}${module === undefined ? '' : prose`, by the look of it in the module ${name(module)}`}.`,
    confidence: crashed ? 'possible' : 'probable',
    because: crashed
      ? ['the log proves the damage; that the machine crashed of it is inferred']
      : ['only the log says so; the machine went on'],
    weight: count,
    explains: crashed ? [kernelStopped] : [],
    story: [
      { topic: 'why', text: prose`SLUB reported ${name(problem)}${bytesText(bytes)}${more}.` },
      ...trackLines(allocated, freed),
      ...(report.timeNs === undefined
        ? []
        : [{ topic: 'since' as const, text: prose`${duration(report.timeNs)} after boot.` }]),
    ],
    evidence: [
      {
        claim: prose`The log says: ${name(report.headline)}`,
        address: object,
        ctype: object === undefined ? undefined : 'void',
        confidence: 'certain',
        show: object === undefined ? 'log' : `kmem ${object.toString(16)}`,
      },
    ],
    remedies: [
      ...moduleRemedy(module),
      {
        action: prose`Who wrote there is not recorded: a kernel with KASAN, or ${'slub_debug=FPZU'} for all caches, catches the write nearer to where it is made.`,
        caution: ['both make the machine slower'],
      },
    ],
    details: {
      cache: name(cache),
      problem: name(problem),
      object: object === undefined ? undefined : address(object),
      from: bytes === undefined ? undefined : address(bytes.from),
      found: bytes?.found,
      wanted: bytes?.wanted,
      allocated: trackData(allocated),
      freed: trackData(freed),
      reports: count,
      resource: object === undefined ? undefined : address(object),
    },
  };
}

function bytesText(bytes: SlubReport['bytes']): Prose {
  if (bytes === undefined) return [];
  const hex = (byte: number): string => `0x${byte.toString(16).padStart(2, '0')}`;
  return prose`: from ${address(bytes.from)} on stands ${hex(bytes.found)} in place of ${hex(bytes.wanted)}`;
}

function trackLines(allocated: SlubTrack | undefined, freed: SlubTrack | undefined): StoryLine[] {
  const text = (verb: string, track: SlubTrack | undefined): Prose[] => {
    if (track === undefined) return [];
    const by = track.pid === undefined ? '' : ` by pid ${track.pid}`;
    return [prose`${verb} in ${placeText(track)}${by}`];
  };
  const parts = [...text('allocated', allocated), ...text('freed last', freed)];
  if (parts.length === 0) return [];
  return [
    {
      topic: 'holder',
      text: prose`The object was ${parts.flatMap((part, i): Prose => (i === 0 ? part : [', ', ...part]))}.`,
    },
  ];
}

function trackData(track: SlubTrack | undefined): Finding['details'][string] {
  return track === undefined
    ? undefined
    : { name: track.func, offset: track.offset, module: track.module, pid: track.pid };
}
