/**
 * A slab object is damaged: written beyond its end, used after it was freed, freed twice. SLUB's own checks say so in the
 * log (slub_debug); or nobody noticed, and memory shows it: red zones, poison, and lists of free objects that lead astray.
 * Where the instruction that the kernel fell at followed a pointer out of such damage, or a report of SLUB stopped the machine
 * (panic_on_taint), it is the cause; where the machine went on, it is told.
 */
import { kernelStopped } from '../../model/condition.ts';
import { defineDetector } from '../../model/diagnosis.ts';
import type { Confidence, Finding, StoryLine } from '../../model/finding.ts';
import { address, command, count, duration, name, plural, prose, type Prose } from '../../model/value.ts';
import type { CrashTrigger } from '../../kernel/panic.ts';
import type { SlabDamage } from '../../kernel/slab-damage.ts';
import type { SlubReport, SlubTrack } from '../../kernel/slub-report.ts';
import { type CrashCause, crashCauseFact } from '../facts/crash-cause.ts';
import { aroundLines, moduleRemedy, oopsDetails, oopsEvidence, placeText, whoText } from '../facts/oops-story.ts';
import { type FatalDamage, slabDamageFact } from '../facts/slab-damage.ts';
import {
  asText,
  damageData,
  damageEvidence,
  damageText,
  hexByte,
  readingOf,
  standingText,
  tracksText,
  WHAT_HAPPENED,
} from '../facts/slab-story.ts';
import { type SlubReports, slubReportsFact } from '../facts/slub-reports.ts';
import { triggerFact } from '../facts/trigger.ts';

export default defineDetector({
  id: 'slab-corruption',
  title: 'Damaged objects of slab caches',
  summary:
    'A write beyond an object, or into it after it was freed, harms whoever comes next: by SLUB in the log, or by memory.',
  needs: { slub: slubReportsFact, trigger: triggerFact, crash: crashCauseFact, damages: slabDamageFact },
  appliesTo: () => true,
  run({ slub, trigger, crash, damages }) {
    if (crash?.kind === 'slab-damage') return [fallen(crash, slub)];
    if (slub.reports.length > 0) return [reported(slub, trigger, damages)];
    // What a use after free leaves behind is that finding's.
    const [damage] = damages;
    return damage === undefined || crash?.kind === 'use-after-free' ? [] : [unnoticed(damage, damages.length)];
  },
});

type Fallen = Extract<CrashCause, { kind: 'slab-damage' }>;

/** The kernel fell over damage that nobody had noticed. */
function fallen({ fatal, slab }: Fallen, { reports }: SlubReports): Finding {
  const { damage } = slab;
  const confidence: Confidence = fatal.onStack ? 'certain' : 'probable';
  const who = whoText(fatal);
  // The nearest of a module that works with the object: who wrote it need not be.
  const user = fatal.oops.at?.module ?? fatal.oops.trace.find(({ module }) => module !== undefined)?.module;
  return {
    detector: 'slab-corruption',
    cause: 'slab-corruption',
    role: 'cause',
    title: prose`An object of the slab cache ${name(damage.cacheName)} ${WHAT_HAPPENED[damage.kind]}, and ${placeText(fatal.oops.at)} fell over that${who === undefined ? '' : prose`, running for ${who}`}.`,
    confidence,
    ...(confidence === 'certain' ? {} : { because: ['the stack of the task that fell does not stand there any more'] }),
    weight: 1,
    explains: [kernelStopped],
    story: [
      { topic: 'why', text: damageText(damage) },
      { topic: 'proof', text: prose`${linkText(slab)} By hand: ${command(damageEvidence(damage).show)}.` },
      ...aroundLines(fatal).filter(({ topic }) => topic !== 'proof'),
    ],
    evidence: [...oopsEvidence(fatal), damageEvidence(damage)],
    remedies: fallenRemedies(user, damage.cacheName, reports.length > 0),
    details: {
      ...oopsDetails(fatal),
      culprit: undefined,
      cache: name(damage.cacheName),
      damage: damageData(damage),
      register: slab.register,
      pointerAt: slab.pointerAt,
      reports: reports.length,
      resource: address(damage.object ?? damage.cache),
    },
  };
}

function linkText({ damage, register, pointerAt, object }: FatalDamage): Prose {
  if (object === undefined || pointerAt === undefined)
    return prose`Memory has it still, and register ${register} was what that list leads to. Whoever allocates next falls, and is not to blame.`;
  const which = object === damage.object ? 'it' : 'the object behind it';
  return prose`Memory has it still; register ${register} points into ${which}, and the address that failed was read there, at offset ${count(pointerAt)}. Who reads it is not to blame.`;
}

/** SLUB noticed. */
function reported(
  { reports, standing }: SlubReports,
  trigger: CrashTrigger | undefined,
  damages: readonly SlabDamage[],
): Finding {
  const [report] = reports;
  if (report === undefined) throw new Error('no report');
  const { cache, problem, object, allocated, freed, noticed } = report;
  // What stopped the machine is the report itself.
  const stopped = trigger?.panic !== undefined && STOPS_AT_REPORTS.test(trigger.panic);
  const crashed = trigger?.kind === 'oops' || (trigger?.kind === 'panic' && !OTHER_REASON.test(trigger.panic ?? ''));
  const reading = readingOf(problem);
  const module = (report[reading.by] ?? allocated ?? freed)?.module;
  const tracks = tracksText(allocated, freed);
  const confidence: Confidence = stopped
    ? standing === undefined
      ? 'probable'
      : 'certain'
    : crashed
      ? 'possible'
      : 'probable';
  return {
    detector: 'slab-corruption',
    cause: 'slab-corruption',
    role: crashed ? 'cause' : 'context',
    title: prose`An object of the slab cache ${name(cache)} ${reading.what}${module === undefined ? '' : prose`, and had been ${reading.by} in the module ${name(module)}`}.`,
    confidence,
    ...(confidence === 'certain' ? {} : { because: becauseOf(stopped, crashed) }),
    weight: reports.length,
    explains: crashed ? [kernelStopped] : [],
    story: [
      { topic: 'why', text: whyText(report, reports.length) },
      ...(tracks.length === 0 ? [] : [{ topic: 'holder' as const, text: prose`The object was ${tracks}.` }]),
      ...(stopped || standing !== undefined
        ? [{ topic: 'proof' as const, text: prose`${standingText(standing)}${byHand(report)}` }]
        : []),
      ...noticedLines(noticed, stopped),
      ...(report.timeNs === undefined
        ? []
        : [{ topic: 'since' as const, text: prose`${duration(report.timeNs)} after boot.`, detail: stopped }]),
    ],
    evidence: [
      {
        claim: prose`The log says: ${name(report.headline)}`,
        address: object,
        ctype: object === undefined ? undefined : 'void',
        confidence: 'certain',
        show: object === undefined ? 'log' : `kmem ${object.toString(16)}`,
      },
      ...damages.filter((damage) => damage.object === object).map(damageEvidence),
    ],
    remedies: [...moduleRemedy(module), whoWrote(cache, true)],
    details: {
      cache: name(cache),
      problem: name(problem),
      object: object === undefined ? undefined : address(object),
      from: report.bytes === undefined ? undefined : address(report.bytes.from),
      found: report.bytes?.found,
      wanted: report.bytes?.wanted,
      inMemory: standing?.by,
      allocated: trackData(allocated),
      freed: trackData(freed),
      noticed: noticed === undefined ? undefined : { pid: noticed.pid, comm: name(noticed.comm) },
      reports: reports.length,
      resource: object === undefined ? undefined : address(object),
    },
  };
}

/** The parameter panic_on_taint since 5.8; panic_on_warn where the report is a warning, as in newer kernels. */
const STOPS_AT_REPORTS = /^(panic_on_taint set|panic_on_warn set|kernel: panic_on_warn set)/;

/** Panics whose reason is not that something in memory was wrong. */
const OTHER_REASON =
  /^(Out of memory|Fatal (local )?machine check|Fatal hardware error|System is deadlocked on memory)/;

function becauseOf(stopped: boolean, crashed: boolean): Prose {
  if (stopped) return ['only the log says so; memory does not have the damage any more'];
  return crashed
    ? ['the log proves the damage; that the machine crashed of it is inferred']
    : ['only the log says so; the machine went on'];
}

/** What shows it by hand: the bytes where they stand, else the log. */
function byHand({ bytes }: SlubReport): Prose {
  const show = bytes === undefined ? 'log' : `rd ${bytes.from.toString(16)}`;
  return prose` By hand: ${command('log')}${show === 'log' ? '' : prose`, ${command(show)}`}.`;
}

function whyText({ problem, bytes }: SlubReport, reports: number): Prose {
  const more = reports === 1 ? '' : prose`; ${plural(reports - 1, 'more report')} followed`;
  const where =
    bytes === undefined
      ? ''
      : prose`: from ${address(bytes.from)} on stands ${hexByte(bytes.found)} in place of ${hexByte(bytes.wanted)}${asText(bytes.run)}`;
  return prose`SLUB reported ${name(problem)}${where}${more}.`;
}

function noticedLines(noticed: SlubReport['noticed'], stopped: boolean): StoryLine[] {
  if (noticed === undefined || !stopped) return [];
  const text = prose`${name(noticed.comm)} (pid ${String(noticed.pid)}), when SLUB looked at the object: it need not have done the damage.`;
  return [{ topic: 'task', text }];
}

/** Damage that memory has, and that nothing fell over. */
function unnoticed(damage: SlabDamage, all: number): Finding {
  const more = all === 1 ? '' : prose` ${plural(all - 1, 'more place')} of slabs ${all === 2 ? 'is' : 'are'} damaged.`;
  return {
    detector: 'slab-corruption',
    cause: 'slab-corruption',
    role: 'context',
    title: prose`An object of the slab cache ${name(damage.cacheName)} ${WHAT_HAPPENED[damage.kind]}, which nobody had noticed.`,
    confidence: 'possible',
    because: ['memory proves the damage; that the kernel fell because of it is not known'],
    weight: all,
    explains: [],
    story: [{ topic: 'why', text: prose`${damageText(damage)}${more}` }],
    evidence: [damageEvidence(damage)],
    remedies: [whoWrote(damage.cacheName, false)],
    details: {
      cache: name(damage.cacheName),
      damage: damageData(damage),
      damages: all,
      resource: address(damage.object ?? damage.cache),
    },
  };
}

/** Both on one line of the first screen: what keeps the machine up, and what finds the writer. */
function fallenRemedies(module: string | undefined, cache: string, guarded: boolean): Finding['remedies'] {
  const learn = whoWrote(cache, guarded);
  if (module === undefined) return [learn];
  if (guarded) return [...moduleRemedy(module), learn];
  return [
    {
      action: prose`Unload or update the module ${name(module)}; or, to learn who allocated and freed such an object, boot with ${command(`slub_debug=FZPU,${cache} panic_on_taint=0x20`)}.`,
      verify: prose`nothing that you need uses the module (${command('lsmod')}), and that the kernel has CONFIG_SLUB_DEBUG.`,
      caution: ['allocations from that cache get slower, and such damage then stops the machine.'],
    },
    whoWrote(cache, true),
  ];
}

/** @param guarded - SLUB checked the cache already, and said what it found */
function whoWrote(cache: string, guarded: boolean): Finding['remedies'][number] {
  return guarded
    ? {
        action: ['Who wrote there is not recorded: a kernel with KASAN catches the write itself.'],
        caution: ['it makes the machine much slower.'],
      }
    : {
        action: prose`Boot with ${command(`slub_debug=FZPU,${cache} panic_on_taint=0x20`)}: the kernel then stops when it finds such an object, and says who allocated and freed it.`,
        verify: prose`this kernel can do so (CONFIG_SLUB_DEBUG): ${command('grep SLUB_DEBUG= /boot/config-$(uname -r)')}.`,
        caution: ['it makes allocations from that cache slower, and such damage stops the machine.'],
      };
}

function trackData(track: SlubTrack | undefined): Finding['details'][string] {
  return track === undefined
    ? undefined
    : { name: track.func, offset: track.offset, module: track.module, pid: track.pid };
}
