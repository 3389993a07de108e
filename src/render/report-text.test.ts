import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hostileReport, partialReport, report, stuckHolder, sysrq } from '../../test/builders/report.ts';
import { kernelStopped, memoryShort } from '../model/condition.ts';
import type { Finding, StoryLine, Topic } from '../model/finding.ts';
import type { Report, StoryLink } from '../model/report.ts';
import { command, prose } from '../model/value.ts';
import { columnsOf } from './columns.ts';
import { escapeText } from './escape.ts';
import { reportText } from './report-text.ts';

const plain = (subject: Parameters<typeof reportText>[0], width = 100): string =>
  reportText(subject, { width, colour: false });

/** The lines above the first section. */
function screen(text: string): string[] {
  return text.slice(0, text.indexOf('\n--- ')).split('\n');
}

function section(text: string, name: string): string {
  const start = text.indexOf(`--- ${name}\n`);
  const end = text.indexOf('\n--- ', start + 1);
  return text.slice(start, end < 0 ? undefined : end);
}

test('the first screen starts with the answer and fits into 24 lines', () => {
  const lines = screen(plain(report()));
  expect(lines[0]).toBe(
    'ps (pid 96) stands still while it holds the lock of directory /data; 51 tasks wait for it [certain]',
  );
  expect(lines.length).toBeLessThanOrEqual(24);
  expect(lines.filter((line) => /^[A-Z]\S*.{0,13} {2,}\S/.test(line)).map((line) => line.slice(0, 16).trim())).toEqual([
    'What',
    'Why',
    'Held by',
    'Waiting',
    'Launched by',
    'Since',
    'Clears itself?',
    'Memory',
    'Do',
    'Trigger',
  ]);
  expect(lines).toContain('Trigger         the crash was triggered by hand (sysrq) at 14.3 s [certain]');
  expect(lines.join(' ')).toContain('Kernel 6.1.0-56-cloud-amd64');
});

test('the topics come in their order, whatever the order of the story', () => {
  const story = stuckHolder().story.toReversed();
  expect(plain(report({ findings: [stuckHolder({ story })] }))).toBe(plain(report({ findings: [stuckHolder()] })));
});

test('remedies are told where the story has no words for them', () => {
  const story = stuckHolder().story.filter(({ topic }) => topic !== 'remedy');
  const lines = screen(plain(report({ findings: [stuckHolder({ story })] })));
  expect(lines).toContain('Do              Kill ps (pid 96) - but: look first at what started it with a userfaultfd');
});

test('a remedy that is a whole sentence ends before its caution', () => {
  const story = stuckHolder().story.filter(({ topic }) => topic !== 'remedy');
  const remedies = [{ action: prose`Restart it.`, caution: prose`what it has not written is lost` }];
  const lines = screen(plain(report({ findings: [stuckHolder({ story, remedies })] })));
  expect(lines).toContain('Do              Restart it. But: what it has not written is lost');
});

test('each claim has its type, address, confidence and command', () => {
  const evidence = section(plain(report()), 'Evidence');
  expect(evidence).toContain(
    [
      ' 2. ps (pid 96) holds it for reading',
      '    struct rw_semaphore 0xffff88899fd6d080, certain',
      '    by hand: struct rw_semaphore ffff88899fd6d080',
    ].join('\n'),
  );
  expect(evidence.replace(/\s+/g, ' ')).toContain(
    'probable: a lock owned by readers keeps only a hint of its last one',
  );
});

test('the checks say what came of them, in the order of what matters', () => {
  expect(section(plain(report()), 'Checked').split('\n').slice(1, 5)).toEqual([
    'found    locks whose holder cannot go on (lock-holder)',
    'found    what triggered the crash (crash-trigger)',
    'nothing  memory shortage (oom)',
    'skipped  NFS servers that do not answer (hung-nfs): module nfs is not loaded',
  ]);
  expect(section(plain(report()), 'Read')).toContain('161 of 161 tasks\n');
});

test('a partial report says so on its first screen, and why in full below', () => {
  const text = plain(partialReport());
  const top = screen(text).join(' ');
  expect(top).toMatch(/Partial: the time limit ended the work early; the file is truncated: 3 of 9 MiB are there; /);
  expect(top).toContain('3 more, see below');
  expect(section(text, 'Read')).toContain('161 of 163 tasks\n    2: task_struct lies in a page that was lost\n');
  expect(section(text, 'Read')).toContain('at least 12 waiters\n    the list ends in a lost page\n');
  expect(section(text, 'Problems of the dump')).toContain('- no VMCOREINFO note\n');
  expect(section(text, 'Checked')).toContain('failed   memory shortage (oom): struct zone at');
  expect(section(text, 'Checked')).toContain('as far as the dump could be read:\n');
  expect(plain(report())).not.toMatch(/Partial|as far as/);
});

test('a report that is partial for no stated reason still says so', () => {
  expect(plain(report({ complete: false }))).toContain('Partial: something could not be read');
});

test('without a cause the summary is the answer, and what was found follows', () => {
  const summary = prose`No cause was found: nothing that was checked explains it.`;
  const lines = screen(plain(report({ findings: [sysrq], summary })));
  expect(lines[0]).toBe('No cause was found: nothing that was checked explains it.');
  expect(lines).toContain('Trigger         the crash was triggered by hand (sysrq) at 14.3 s [certain]');
  expect(plain(report({ findings: [], summary: [] })).split('\n')[0]).toBe('No cause was found.');
});

test('what made the machine stop for the lead has its remedy told, too', () => {
  const setting = stuckHolder({
    role: 'symptom',
    cause: 'panic-by-setting',
    story: [],
    remedies: [{ action: prose`Set the knob to 0.` }],
  });
  const link = (from: number): StoryLink => ({ from, to: from + 1, through: kernelStopped });
  const stories = [{ findings: [0, 1, 2], links: [link(0), link(1)], loop: [] }];
  const lines = screen(plain(report({ findings: [stuckHolder(), setting, sysrq], stories })));
  expect(lines.filter((line) => line.includes('Set the knob to 0.'))).toHaveLength(1);
  const apart = stories.map((story) => ({ ...story, links: [link(0)] }));
  expect(screen(plain(report({ findings: [stuckHolder(), setting, sysrq], stories: apart }))).join('\n')).not.toContain(
    'Set the knob',
  );
});

test('a symptom without its cause is told in full, before the summary', () => {
  const symptom = stuckHolder({ role: 'symptom', confidence: 'probable', because: prose`the stack is damaged` });
  const lines = screen(plain(report({ findings: [symptom], summary: prose`The cause is not known.` })));
  expect(lines.slice(0, 3)).toEqual([
    'ps (pid 96) stands still while it holds the lock of directory /data; 51 tasks wait for it [probable]',
    'probable: the stack is damaged',
    'The cause is not known.',
  ]);
  expect(lines.some((line) => line.startsWith('Held by'))).toBe(true);
});

test('what only informs comes behind the sentence that no cause was found, and what to do is the advice', () => {
  const story: StoryLine[] = [
    { topic: 'why', text: ['it is so'] },
    { topic: 'remedy', text: ['do away with it'] },
  ];
  const note = stuckHolder({
    role: 'context',
    confidence: 'possible',
    title: prose`51 tasks wait`,
    story,
    remedies: [],
  });
  const advice = [prose`Look again.`, prose`And again.`];
  const text = plain(report({ findings: [note, sysrq], summary: prose`Nothing was found.`, advice }));
  expect(screen(text).slice(0, 8)).toEqual([
    'Nothing was found.',
    '51 tasks wait [possible]',
    '',
    'Why             it is so',
    'Do              Look again.',
    '                And again.',
    'Trigger         the crash was triggered by hand (sysrq) at 14.3 s [certain]',
    '',
  ]);
  // It may be normal: what would do away with it stands below.
  expect(section(text, 'Evidence')).toContain('do away with it');
});

test('a healthy machine is told so, and what to do next', () => {
  const lines = screen(
    plain(report({ findings: [], summary: prose`It looks healthy.`, advice: [prose`Look again.`] })),
  );
  expect(lines.slice(0, 3)).toEqual(['It looks healthy.', '', 'Do              Look again.']);
});

test('of what could be read in part the first screen says how much', () => {
  const of = (read: number, total: number | undefined): string => {
    const coverage = [{ what: 'log records', read, total, missing: [] }];
    return screen(plain(report({ coverage, complete: false }))).find((line) => line.startsWith('Partial')) ?? '';
  };
  expect(of(1374, 1375)).toBe('Partial: read only 1374 of 1375 log records');
  expect(of(0, 7)).toBe('Partial: read: 0 of 7 log records');
  expect(of(1374, undefined)).toBe('Partial: read only 1374 log records, of a number that is not known');
  expect(of(0, undefined)).toBe('Partial: read: no log records, of a number that is not known');
});

test('nothing that was read is not called at least nothing', () => {
  const coverage = [{ what: 'modules', read: 0, total: undefined, missing: ['the list is lost'] }];
  expect(plain(report({ coverage, complete: false }))).toContain('no modules, of a number that is not known');
});

test('no line but commands is wider than the terminal', () => {
  fc.assert(
    fc.property(fc.integer({ min: 20, max: 140 }), (width) => {
      const lines = plain(partialReport(), width).split('\n');
      const widths = lines.filter((each) => !each.includes('by hand:')).map((each) => columnsOf(escapeText(each)));
      // 20 columns of text are the least, beside the indent.
      expect(Math.max(...widths)).toBeLessThanOrEqual(Math.max(width, 36));
    }),
    { numRuns: 30 },
  );
});

test('colour changes nothing but colour', () => {
  const coloured = reportText(report(), { width: 100, colour: true });
  expect(coloured).not.toBe(plain(report()));
  expect(
    stripVTControlCharacters(coloured)
      .split('\n')
      .map((each) => each.trimEnd()),
  ).toEqual(plain(report()).split('\n'));
});

test('nothing in a hostile report reaches the terminal', () => {
  expect(plain(hostileReport()).replaceAll('\n', '')).toMatch(/^[\x20-\x7e]*$/);
  const coloured = reportText(hostileReport(), { width: 80, colour: true });
  expect(stripVTControlCharacters(coloured).replaceAll('\n', '')).toMatch(/^[\x20-\x7e]*$/);
  expect(coloured).not.toContain('\u001b[31mx');
});

/** More of everything than a screen has room for. */
function crowded(): Report {
  const many = (topic: Topic, count: number): StoryLine[] =>
    Array.from({ length: count }, (_, i) => ({ topic, text: [`${topic} ${i} `, 'word '.repeat(20)] }));
  const topics: readonly Topic[] = [
    'what',
    'why',
    'holder',
    'waiters',
    'launcher',
    'since',
    'clears',
    'memory',
    'remedy',
  ];
  const lead = stuckHolder({ story: topics.flatMap((topic) => many(topic, topic === 'why' ? 1 : 3)) });
  const notes = Array.from({ length: 7 }, (_, i) => stuckHolder({ role: 'context', title: [`note ${i}`] }));
  const findings = [lead, ...notes, sysrq];
  return report({ findings, stories: findings.map((_, i) => ({ findings: [i], links: [], loop: [] })) });
}

test('what finds no place on the first screen stands below it, and the cause, its proof and the remedy stay', () => {
  const text = plain(crowded());
  // Without the empty line before the first section.
  const lines = screen(text).join('\n').trimEnd().split('\n');
  expect(lines.length).toBeLessThanOrEqual(24);
  const shown = lines.join('\n');
  for (const kept of ['why 0', 'holder 0', 'waiters 0', 'remedy 0']) expect(shown).toContain(kept);
  const starts = (crowded().findings[0]?.story ?? []).flatMap(({ text: [first] }) =>
    typeof first === 'string' ? [first] : [],
  );
  expect(starts.length).toBe(25);
  for (const start of starts) expect(text.split(start).length).toBe(2);
  expect(shown).toMatch(/\d more findings, see below/);
  for (let i = 0; i < 7; i++) expect(section(text, 'Evidence')).toContain(`note ${i} [certain]`);
});

test('other findings are counted, also a single one, where nothing else can give way', () => {
  const long = ['word '.repeat(60)];
  const story: StoryLine[] = (['why', 'holder', 'remedy'] as const).map((topic) => ({ topic, text: long }));
  const lead = stuckHolder({ story, title: ['word '.repeat(60)] });
  const note = stuckHolder({ role: 'context', title: ['the only note'] });
  const crowdedBy = (...notes: readonly Finding[]): string => {
    const all = [{ ...lead, title: ['word '.repeat(60 * notes.length ** 3)] }, ...notes, sysrq];
    return plain(report({ findings: all, stories: all.map((_, k) => ({ findings: [k], links: [], loop: [] })) }));
  };
  const text = crowdedBy(note);
  const shown = screen(text).join('\n');
  expect(shown).toContain('1 more finding, see below');
  expect(shown).not.toContain('Apart from that');
  expect(section(text, 'Evidence')).toContain('the only note [certain]');
  const two = screen(crowdedBy(note, stuckHolder({ role: 'context', title: ['another note'] }))).join('\n');
  expect(two).toContain('2 more findings, see below');
  expect(two).not.toContain('the only note');
  const findings = [lead, note, sysrq];
  const roomy = plain(
    report({
      findings: [stuckHolder({}), note, sysrq],
      stories: findings.map((_, k) => ({ findings: [k], links: [], loop: [] })),
    }),
  );
  expect(screen(roomy).join('\n')).toMatch(/Apart from that\n.*the only note/);
});

test('that the machine has stopped, and where commands are typed, is told once, where there is reason to', () => {
  const story: StoryLine[] = [
    {
      topic: 'proof',
      text: prose`The lock names it; by hand: ${command('bt 96')}. It sleeps; by hand: ${command('ps -m 96')}.`,
    },
    { topic: 'remedy', text: ['Kill it.'] },
    { topic: 'remedy', text: ['Mend it.'] },
  ];
  const stopped = 'This machine has stopped';
  const where = 'Commands by hand are for `kwhy shell VMCORE`';
  const told = screen(plain(report({ findings: [stuckHolder({ story }), sysrq] }))).join('\n');
  expect(told.split(stopped).length).toBe(2);
  expect(told.indexOf(stopped)).toBeGreaterThan(told.indexOf('Mend it.'));
  expect(told.split(where).length).toBe(2);
  // A dump of a machine that runs on, and a report that advises nothing.
  expect(screen(plain(report({ findings: [stuckHolder({ story })] }))).join('\n')).not.toContain(stopped);
  expect(screen(plain(report({ findings: [sysrq] }))).join('\n')).not.toContain(stopped);
  const bare = screen(plain(report({ findings: [stuckHolder({ story: story.slice(1) }), sysrq] }))).join('\n');
  expect(bare).not.toContain(where);
});

test('a line of detail is told below the first screen, and there only', () => {
  const story = stuckHolder().story.map((line) => (line.topic === 'since' ? { ...line, detail: true } : line));
  const text = plain(report({ findings: [stuckHolder({ story })] }));
  expect(screen(text).some((line) => line.startsWith('Since'))).toBe(false);
  expect(section(text, 'Evidence').match(/^Since {11}/gm)).toHaveLength(1);
});

test('what explains the lead is told as its root cause, with what to do about it, and in order below', () => {
  const root = stuckHolder({
    title: ['A program is too big.'],
    cause: 'root',
    story: [],
    remedies: [{ action: ['End it.'] }],
  });
  const shortage = stuckHolder({ title: ['Memory is short.'], cause: 'short', role: 'symptom', story: [] });
  const apart = stuckHolder({ title: ['Something else.'], cause: 'else', story: [], role: 'context' });
  const links = [
    { from: 1, to: 2, through: memoryShort },
    { from: 2, to: 0, through: memoryShort },
    { from: 0, to: 2, through: memoryShort },
  ];
  const text = plain(
    report({
      findings: [stuckHolder(), root, shortage, apart, sysrq],
      stories: [
        { findings: [1, 2, 0], links, loop: [2, 0] },
        { findings: [3], links: [], loop: [] },
        { findings: [4], links: [], loop: [] },
      ],
    }),
  );
  const lines = screen(text);
  expect(lines).toContain('Root cause      A program is too big. [certain]');
  expect(lines).toContain('Do              End it.');
  expect(lines.slice(lines.indexOf('Apart from that'), -1)[1]).toBe('note            Something else. [certain]');
  expect(lines.join('\n')).not.toContain('Memory is short.');
  expect(section(text, 'How it came about').split('\n').slice(1, 3)).toEqual([
    ' 1. A program is too big. [certain]',
    ' 2. Memory is short. [certain] (explained by 1, 3 - in a closed loop)',
  ]);
});
