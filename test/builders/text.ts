/** Prose as a plain string for tests of what is said; how it is shown is the business of render/. */
import { hex } from '../../src/base/address.ts';
import type { Finding, Topic } from '../../src/model/finding.ts';
import type { Prose } from '../../src/model/value.ts';

export function textOf(prose: Prose | undefined): string {
  return (prose ?? [])
    .map((part) => {
      if (typeof part === 'string') return part;
      if (part.kind === 'task') return `${part.comm} (pid ${part.pid})`;
      if (part.kind === 'address') return hex(part.value);
      if (part.kind === 'spark') return `[${part.counts.join(' ')}]`;
      if (part.kind === 'duration') return `${Number(part.ns) / 1e9} s`;
      return String(part.kind === 'wall-clock' ? part.seconds : part.value);
    })
    .join('');
}

/** The lines of a finding's story on one topic. */
export function storyOf(finding: Finding | undefined, topic: Topic): string {
  const lines = finding?.story.filter((line) => line.topic === topic) ?? [];
  return lines.map((line) => textOf(line.text)).join('\n');
}

export function actionsOf(finding: Finding | undefined): readonly string[] {
  return (finding?.remedies ?? []).map((remedy) => textOf(remedy.action));
}
