/** Which step of the report a sample belongs to: the innermost frame that one of these rules knows decides. */
import type { Frame } from './cpu-profile.ts';

interface Rule {
  readonly step: string;
  readonly file: RegExp;
  /** Functions of these files; all of them, when none are named. */
  readonly names?: readonly string[];
}

const LOADING = 'loading the bundle';
export const OTHER = 'the rest';

/** In the order of the table; a frame belongs to the first that fits. */
export const rules: readonly Rule[] = [
  { step: LOADING, file: /^node:internal\/(modules|vm|source_map|bootstrap|options|process\/pre_execution)/ },
  { step: LOADING, file: /^node:vm$/, names: ['Script'] },
  { step: LOADING, file: /^src\/cli\/(main|bundled|script|start|core|process-io)\.ts$/ },
  { step: 'opening the file: headers, bitmap', file: /^src\/dump\/open\.ts$/, names: ['openDump'] },
  { step: 'finding the kernel', file: /^src\/program\/bootstrap\.ts$/, names: ['locateKernel', 'locatedBefore'] },
  { step: 'kallsyms', file: /^src\/debuginfo\/kallsyms[\w-]*\.ts$/ },
  { step: 'BTF: reading and records', file: /^src\/debuginfo\/open-btf\.ts$/, names: ['openBtf'] },
  {
    step: 'BTF: types by name',
    file: /^src\/debuginfo\/btf\.ts$/,
    names: ['find', 'variable', 'func', 'type'],
  },
  { step: 'BTF: enumerators by name', file: /^src\/debuginfo\/btf\.ts$/, names: ['enumerator'] },
  { step: 'ORC: unwind rules', file: /^src\/debuginfo\/orc\.ts$/ },
  { step: 'modules', file: /^src\/program\/modules\.ts$/ },
  { step: 'rest of opening', file: /^src\/program\/open\.ts$/, names: ['openProgram', 'programOf'] },
  { step: 'the text', file: /^src\/render\// },
];

/** `diagnosis/facts/stacks.ts` is the step 'facts: stacks'. */
const diagnosis = /^src\/diagnosis\/(facts|detectors)\/([\w-]+)\.ts$/;

function stepOfFrame({ file, name }: Frame): string | undefined {
  const rule = rules.find((rule) => rule.file.test(file) && (rule.names?.includes(name) ?? true));
  if (rule !== undefined) return rule.step;
  const [, kind, topic] = diagnosis.exec(file) ?? [];
  return kind === undefined ? undefined : `${kind}: ${topic}`;
}

/** @param stack - innermost frame first */
export function stepOf(stack: readonly Frame[]): string {
  const [innermost] = stack;
  if (innermost?.name === '(garbage collector)') return 'garbage collection';
  for (const frame of stack) {
    const step = stepOfFrame(frame);
    if (step !== undefined) return step;
  }
  return innermost?.name === '(program)' ? "V8's and Node's native code outside of calls" : OTHER;
}

/** True for time spent in getting a page: file, decompression, page cache. */
export function readsPages(stack: readonly Frame[]): boolean {
  return stack.some(({ file, name }) => file === 'src/dump/page-cache.ts' && name === '#load');
}

export function decompresses(stack: readonly Frame[]): boolean {
  return stack.some(({ file }) => file.startsWith('src/dump/codecs/'));
}
