/** Where the time of the report goes, by step, from V8's sampling profiler, and the floor below it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readProfile, type Sample } from './cpu-profile.ts';
import { floorOf } from './floor.ts';
import { commitLine, loadNow, machineLine } from './machine.ts';
import type { Meter } from './measure.ts';
import { duration, median, size, table } from './statistics.ts';
import { decompresses, readsPages, stepOf } from './steps.ts';

const INTERVAL_US = 100;
/** Steps below this share of the whole are left out. */
const SMALL = 0.003;

interface StepTimes {
  all: number;
  pages: number;
}

/** Milliseconds by step, in the order of their first sample. */
export function stepsOf(samples: readonly Sample[]): Map<string, StepTimes> {
  const steps = new Map<string, StepTimes>();
  for (const { stack, time } of samples) {
    const name = stepOf(stack);
    let step = steps.get(name);
    if (step === undefined) steps.set(name, (step = { all: 0, pages: 0 }));
    step.all += time;
    if (readsPages(stack)) step.pages += time;
  }
  return steps;
}

/** One profile of the report for each run. */
export function profiles(bundle: string, dump: string, runs: number): readonly (readonly Sample[])[] {
  const folder = mkdtempSync(join(tmpdir(), 'kwhy-profile-'));
  try {
    for (let run = 0; run < runs; run++) {
      const args = ['--cpu-prof', `--cpu-prof-interval=${INTERVAL_US}`, `--cpu-prof-dir=${folder}`, bundle, dump];
      const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
      if (status !== 0 && status !== 1) throw new Error(`the profiled run failed: ${stderr}`);
    }
    return readdirSync(folder).map((name) => readProfile(join(folder, name)));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function sum(samples: readonly Sample[], wanted: (sample: Sample) => boolean): number {
  return samples.reduce((total, sample) => total + (wanted(sample) ? sample.time : 0), 0);
}

export function profileSection(meter: Meter, bundle: string, dump: string, title: string, runs: number): string {
  const before = loadNow();
  const all = profiles(bundle, dump, runs);
  const perRun = all.map(stepsOf);
  const names = [...new Set(perRun.flatMap((steps) => [...steps.keys()]))];
  const total = median(all.map((samples) => sum(samples, () => true)));
  const figure = (name: string, key: keyof StepTimes): number => median(perRun.map((s) => s.get(name)?.[key] ?? 0));
  const rows = names
    .filter((name) => figure(name, 'all') >= total * SMALL)
    .sort((a, b) => figure(b, 'all') - figure(a, 'all'))
    .map((name) => {
      const [time, pages] = [figure(name, 'all'), figure(name, 'pages')];
      return [name, duration(time), `${((time / total) * 100).toFixed(0)} %`, pages < 0.05 ? '' : duration(pages)];
    });

  const floor = floorOf(dump);
  const nodeStart = median(Array.from({ length: runs }, () => meter.run([process.execPath, '-e', '0']).wall));
  const whole = median(Array.from({ length: runs }, () => meter.run([process.execPath, bundle, dump]).wall));
  const file = floor.fileBytes === undefined ? 'an unknown number of bytes' : size(floor.fileBytes);
  const facts = [
    `- ${title}`,
    `- ${machineLine()}; load ${before}; kwhy at ${commitLine(bundle.replace(/dist.*$/, ''))}`,
    `- medians of ${runs} runs; sampled every ${INTERVAL_US} microseconds, which slows them: ${duration(total)} in the profile, while the process takes ${duration(whole)} without it, Node's own start (${duration(nodeStart)}) included`,
  ];
  const floors = [
    ["Node's own start", duration(nodeStart), 'an empty script'],
    [
      'reading pages',
      duration(floor.reading),
      `${floor.pages} pages (${size(floor.pageBytes)}), for which ${file} of the file are read`,
    ],
  ];
  const decompression = median(all.map((samples) => sum(samples, ({ stack }) => decompresses(stack))));
  return [
    facts.join('\n'),
    table(['step', 'time', 'share', 'of it getting pages'], rows),
    `Getting pages takes ${duration(median(all.map((s) => sum(s, ({ stack }) => readsPages(stack)))))} of all, ${duration(decompression)} of it decompression. The floor:`,
    table(['floor', 'time', 'what'], floors),
  ].join('\n\n');
}
