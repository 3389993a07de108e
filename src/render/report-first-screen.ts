/**
 * The first screen: the answer in one sentence, what is missing, the story, the other findings, the machine. It is for
 * somebody who was woken at night, so nothing stands before the answer.
 */
import type { Coverage } from '../model/diagnosis.ts';
import type { Finding, Role, Topic } from '../model/finding.ts';
import type { KeyValue, Report } from '../model/report.ts';
import { command, type Prose } from '../model/value.ts';
import { columnsOf } from './columns.ts';
import { wrap } from './layout.ts';
import { ALSO, type Besides, besides, ROOT } from './report-beside.ts';
import {
  confidenceSpans,
  labelledLines,
  type Telling,
  tellingLines,
  tellingsOf,
  titleSpans,
} from './report-finding.ts';
import { blank, emphasize, type Line, line, lineText, span } from './spans.ts';
import { proseSpans } from './value-text.ts';

/** How many reasons for `partial` the first screen names. */
const MOST_REASONS = 4;

/** What a terminal shows at once. */
const SCREEN_LINES = 24;

/** Findings that go with the lead, or have nothing to do with it, at most. */
const MOST_OTHERS = 3;

/** What gives way first, from which of its lines on. The cause, its proof and the remedy never do. */
const SPARED: readonly ({ readonly topic: Topic; readonly from: number } | 'other findings')[] = [
  { topic: 'waiters', from: 2 },
  { topic: 'launcher', from: 1 },
  { topic: 'holder', from: 2 },
  { topic: 'since', from: 0 },
  'other findings',
  'other findings',
  { topic: 'memory', from: 1 },
  { topic: 'clears', from: 1 },
  { topic: 'what', from: 1 },
  { topic: 'waiters', from: 1 },
  { topic: 'holder', from: 1 },
  { topic: 'remedy', from: 1 },
  { topic: 'launcher', from: 0 },
  { topic: 'memory', from: 0 },
  { topic: 'clears', from: 0 },
  'other findings',
  'other findings',
];

/** The finding whose story the first screen tells: the first, also where it only informs, unless it is the trigger. */
export function leadOf(report: Report): Finding | undefined {
  const first = report.findings[0];
  return first?.role === 'trigger' ? undefined : first;
}

/** '161 of 163 tasks', 'at least 12 waiters', 'no modules, of a number that is not known'. */
export function coverageText({ read, total, what }: Coverage): Prose {
  const done: Prose = [{ kind: 'count', value: read }];
  if (total === undefined && read === 0) return [`no ${what}, of a number that is not known`];
  if (total === undefined) return ['at least ', ...done, ` ${what}`];
  return [...done, ' of ', { kind: 'count', value: total }, ` ${what}`];
}

/** '161 of 163 tasks', '1374 log records, of a number that is not known': fits after 'read only'. */
function partText(coverage: Coverage): Prose {
  const { read, total, what } = coverage;
  if (total !== undefined || read === 0) return coverageText(coverage);
  return [{ kind: 'count', value: read }, ` ${what}, of a number that is not known`];
}

/** Why the report is partial, the gravest first. */
function missing(report: Report): Prose[] {
  const reasons: Prose[] = [];
  if (report.stopped === 'time-limit') reasons.push(['the time limit ended the work early']);
  if (report.stopped === 'interrupt') reasons.push(['the work was interrupted']);
  reasons.push(...report.problems.map((problem) => [problem]));
  const parts = report.coverage.filter(({ read, total }) => total === undefined || read < total);
  parts.forEach((part, i) => {
    const lead = i > 0 ? '' : part.read === 0 ? 'read: ' : 'read only ';
    reasons.push([lead, ...partText(part)]);
  });
  for (const { status, title } of report.checks) {
    if (status === 'failed') reasons.push([`a check failed: ${title}`]);
    if (status === 'out-of-time') reasons.push([`not checked: ${title}`]);
  }
  return reasons;
}

function partialLines(report: Report, width: number): Line[] {
  if (report.complete) return [];
  const reasons = missing(report);
  if (reasons.length === 0) reasons.push(['something could not be read']);
  const hidden = reasons.length - MOST_REASONS;
  const shown = reasons.slice(0, hidden > 1 ? MOST_REASONS : undefined);
  if (hidden > 1) shown.push([`${hidden} more, see below`]);
  const spans = shown.flatMap((reason, i) => (i === 0 ? proseSpans(reason) : [span('; '), ...proseSpans(reason)]));
  return wrap([span('Partial: ', 'warning'), ...spans], width);
}

/** A symptom stands before the sentence that its cause is not known; that sentence before anything that only informs. */
function headline(report: Report, lead: Finding | undefined, width: number): Line[] {
  const told: Line[] = [];
  if (lead !== undefined) {
    told.push(...wrap(emphasize(titleSpans(lead), 'title'), width));
    if (lead.because !== undefined) told.push(...wrap(confidenceSpans(lead.confidence, lead.because), width));
  }
  if (lead?.role === 'cause') return told;
  const summary: Prose = report.summary.length > 0 ? report.summary : ['No cause was found.'];
  const said = wrap(emphasize(proseSpans(summary), 'title'), width);
  return lead?.role === 'context' ? [...said, ...told] : [...told, ...said];
}

const roles: { readonly [R in Role]: string } = {
  cause: 'cause',
  symptom: 'follows',
  trigger: 'Trigger',
  context: 'note',
};

const titleLines = (label: string, finding: Finding, width: number): Line[] =>
  labelledLines(label, titleSpans(finding), width);

/** What set the crash off, and what has nothing to do with the lead. */
function besideLines({ trigger, apart }: Besides, width: number, most: number): Line[] {
  // One is shown rather than counted, as long as there is room for it.
  const shown = most < 0 ? [] : apart.slice(0, apart.length > most + 1 ? most : undefined);
  const hidden = apart.length - shown.length;
  const more = hidden === 1 ? '1 more finding, see below' : `${hidden} more findings, see below`;
  return [
    ...trigger.flatMap((finding) => titleLines(roles.trigger, finding, width)),
    ...(shown.length === 0 ? [] : [blank, line('Apart from that', 'heading')]),
    ...shown.flatMap((finding) => titleLines(roles[finding.role], finding, width)),
    ...(hidden === 0 ? [] : wrap([span(more, 'dim')], width)),
  ];
}

/** The lead's story; before what to do, how other findings are tied to it. */
function toldLines(tellings: readonly Telling[], { tied }: Besides, width: number, most: number): Line[] {
  const isRemedy = ({ topic }: Telling): boolean => topic === 'remedy';
  const also = tied.filter(({ tie }) => tie === ALSO);
  const shown = also.slice(0, also.length > Math.max(0, most) + 1 ? Math.max(0, most) : undefined);
  const hidden = also.length - shown.length;
  return [
    ...tellingLines(
      tellings.filter((telling) => !isRemedy(telling)),
      width,
    ),
    ...tied.filter(({ tie }) => tie !== ALSO).flatMap(({ finding, tie }) => titleLines(tie, finding, width)),
    ...shown.flatMap(({ finding, tie }) => titleLines(tie, finding, width)),
    ...(hidden === 0 ? [] : labelledLines(ALSO, [span(`${hidden} more findings that go with it, see below.`)], width)),
    ...tellingLines(tellings.filter(isRemedy), width),
  ];
}

/** What to do where no cause was found. */
function adviceOf({ advice }: Report): Telling[] {
  return advice.map((text) => ({ topic: 'remedy', text: proseSpans(text), detail: false }));
}

/** What may be normal is told, and nobody is advised to do away with it. */
function storyOf(lead: Finding): Telling[] {
  const told = tellingsOf(lead);
  return lead.role === 'context'
    ? told.map((telling) => (telling.topic === 'remedy' ? { ...telling, detail: true } : telling))
    : told;
}

/** What to do about the root cause: it comes before what to do about the lead. */
function remediesOf({ tied }: Besides): Telling[] {
  return tied.flatMap(({ finding, tie }) =>
    tie === ROOT
      ? tellingsOf(finding)
          .filter(({ topic }) => topic === 'remedy')
          .slice(0, 1)
      : [],
  );
}

/** What to do about what made the machine stop: it may be that it need not. */
function stopRemediesOf({ stops }: Besides): Telling[] {
  return stops.flatMap((finding) =>
    tellingsOf(finding)
      .filter(({ topic }) => topic === 'remedy')
      .slice(0, 1),
  );
}

/** Behind what to do, where the dump was made by a crash: tasks that remedies name are gone by now. */
const STOPPED: Telling = {
  topic: 'remedy',
  text: [span('This machine has stopped: this is for the next time, or for one that still runs.')],
  detail: false,
};

/** What commands of proofs are for: said once, at the end. */
const BY_HAND: Pick<KeyValue, 'label' | 'value'> = {
  label: 'Commands by hand',
  value: ['are for ', command('kwhy shell VMCORE')],
};

const namesCommands = (lines: readonly Line[]): boolean =>
  /\bby hand:\s+`/i.test(lines.map((each) => lineText(each)).join(' '));

/** The dump and the machine: as many facts on a line as fit. */
function systemLines(system: readonly Pick<KeyValue, 'label' | 'value'>[], width: number): Line[] {
  const out: Line[] = [];
  let used = width;
  for (const { label, value } of system) {
    const fact = [span(label, 'label'), span(' '), ...proseSpans(value)];
    const columns = columnsOf(lineText(fact));
    const previous = out.at(-1);
    if (previous !== undefined && used + 3 + columns <= width) {
      out[out.length - 1] = [...previous, span(' | ', 'dim'), ...fact];
      used += 3 + columns;
    } else {
      const rows = wrap(fact, width);
      out.push(...rows);
      used = rows.length > 1 ? width : columns;
    }
  }
  return out.length === 0 ? [] : [blank, ...out];
}

/** The first screen, and what of the lead's story found no place on it. */
export interface Screen {
  readonly lines: readonly Line[];
  readonly below: readonly Telling[];
}

/** Everything above the first `---`: what matters least goes down until the rest fits. */
export function firstScreen(report: Report, width: number): Screen {
  const lead = leadOf(report);
  const beside = besides(report, lead);
  const all = lead === undefined ? [] : storyOf(lead);
  const root = remediesOf(beside);
  const stops = stopRemediesOf(beside);
  const advice = adviceOf(report);
  const head = [...headline(report, lead, width), ...partialLines(report, width)];
  const compose = (spared: ReadonlySet<Telling>, most: number, saysStopped = true, saysWhere = true): Line[] => {
    const own = all.filter((telling) => !spared.has(telling));
    const acts = [...root, ...own, ...stops].some(({ topic }) => topic === 'remedy');
    const stopped = acts && saysStopped && beside.trigger.length > 0 ? [STOPPED] : [];
    const story = toldLines([...root, ...own, ...stops, ...stopped, ...advice], beside, width, most);
    const system = systemLines([...report.system, ...(saysWhere && namesCommands(story) ? [BY_HAND] : [])], width);
    return [...head, ...(story.length > 0 ? [blank, ...story] : []), ...besideLines(beside, width, most), ...system];
  };
  const spared = new Set(all.filter(({ detail }) => detail));
  let most = MOST_OTHERS;
  let lines = compose(spared, most);
  for (const next of spareOrder(all.filter(({ detail }) => !detail))) {
    if (lines.length <= SCREEN_LINES) break;
    if (next === 'other findings') most--;
    else spared.add(next);
    lines = compose(spared, most);
  }
  if (lines.length > SCREEN_LINES) lines = compose(spared, most, false);
  if (lines.length > SCREEN_LINES) lines = compose(spared, most, false, false);
  return { lines, below: all.filter((telling) => spared.has(telling)) };
}

/** What may go down, the first to go first: how much is there before who launched it, and what proves it last. */
function spareOrder(tellings: readonly Telling[]): (Telling | 'other findings')[] {
  const counts = new Map<Topic, number>();
  const ranked: { telling: Telling | 'other findings'; at: number; index: number }[] = tellings.map((telling) => {
    const index = counts.get(telling.topic) ?? 0;
    counts.set(telling.topic, index + 1);
    const at = SPARED.findIndex(
      (each) => each !== 'other findings' && each.topic === telling.topic && index >= each.from,
    );
    return { telling, at, index };
  });
  SPARED.forEach((each, at) => {
    if (each === 'other findings') ranked.push({ telling: each, at, index: 0 });
  });
  return ranked
    .filter(({ at }) => at >= 0)
    .sort((a, b) => a.at - b.at || b.index - a.index)
    .map(({ telling }) => telling);
}
