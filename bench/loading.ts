/** What it costs to make a kernel's symbols, types and unwind rules known: from profiles of the report, kernel by kernel. */
import { loadNow } from './machine.ts';
import { profiles, stepsOf } from './profile.ts';
import { duration, median, table } from './statistics.ts';

const STEPS = [
  'opening the file: headers, bitmap',
  'finding the kernel',
  'kallsyms',
  'BTF: reading and records',
  'BTF: types by name',
  'BTF: enumerators by name',
  'ORC: unwind rules',
  'modules',
  'rest of opening',
] as const;

/** @param dumps - with a title each */
export function loadingSection(
  bundle: string,
  dumps: readonly { readonly path: string; readonly title: string }[],
  runs: number,
): string {
  const before = loadNow();
  const columns = dumps.map(({ path }) => profiles(bundle, path, runs).map(stepsOf));
  const rows = STEPS.map((step) => [
    step,
    ...columns.map((perRun) => {
      const all = median(perRun.map((steps) => steps.get(step)?.all ?? 0));
      const pages = median(perRun.map((steps) => steps.get(step)?.pages ?? 0));
      return pages < 0.05 ? duration(all) : `${duration(all)} (${duration(pages)} of it pages)`;
    }),
  ]);
  const facts = [
    ...dumps.map(({ title }, i) => `- ${i + 1}: ${title}`),
    `- medians of ${runs} profiled runs, load ${before} before`,
  ];
  return [facts.join('\n'), table(['step', ...dumps.map((_, i) => `${i + 1}`)], rows)].join('\n\n');
}
