import { describe, expect, it } from 'vitest';
import { findingsOf } from '../../../test/builders/facts.ts';
import { KernelImage } from '../../../test/builders/image.ts';
import { placeLog } from '../../../test/builders/log.ts';
import { programOfImage } from '../../../test/builders/program.ts';
import { textOf } from '../../../test/builders/text.ts';
import type { Finding } from '../../model/finding.ts';
import stackOverflow from './stack-overflow.ts';

function imageOf(lines: readonly string[]): KernelImage {
  const image = new KernelImage();
  placeLog(
    image,
    lines.map((line, i) => `<1>[  500.${String(i).padStart(6, '0')}] ${line}`),
  );
  return image;
}

const told = (...lines: readonly string[]): readonly Finding[] =>
  findingsOf(stackOverflow, programOfImage(imageOf(lines)));

const HEAD = 'BUG: TASK stack guard page was hit at 000000007a1b2c3d (stack is 00000000aaaaaaaa..00000000bbbbbbbb)';
const DEEP = ' treedev_descend+0x4a/0x80 [treedev]';
const overflow = (...trace: readonly string[]): readonly string[] => [
  HEAD,
  'stack guard page: 0000 [#1] PREEMPT SMP NOPTI',
  'CPU: 1 PID: 300 Comm: find Not tainted 6.1.0 #1',
  'RIP: 0010:number+0x10/0x3a0',
  'Call Trace:',
  ' <TASK>',
  ...trace,
  '---[ end trace 0000000000000000 ]---',
  'Kernel panic - not syncing: Fatal exception in interrupt',
];

describe('stack-overflow', () => {
  it('names the function that calls itself', () => {
    const lines = overflow(' snprintf+0x49/0x60', DEEP, DEEP, DEEP, DEEP, DEEP);
    const [finding, ...others] = told(...lines);
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      cause: 'stack-overflow',
      confidence: 'certain',
      details: { recursion: { name: 'treedev_descend', module: 'treedev', times: 5 } },
    });
    expect(textOf(finding?.title)).toContain('treedev_descend of module treedev calls itself');
  });

  it('blames nobody where no function comes again and again', () => {
    const [finding] = told(...overflow(' snprintf+0x49/0x60', DEEP, ' vfs_write+0x1/0x2'));
    expect(finding).toMatchObject({ cause: 'stack-overflow', confidence: 'probable' });
    expect(finding?.details['recursion']).toBeUndefined();
  });

  it('is silent about another oops with the same trace, and about a cut log without its head', () => {
    const lines = overflow(DEEP, DEEP, DEEP, DEEP, DEEP).slice(2);
    expect(told('BUG: kernel NULL pointer dereference, address: 0000000000000018', ...lines)).toEqual([]);
    expect(told(...lines)).toEqual([]);
  });

  it('speaks from a log that was cut behind its head', () => {
    expect(told(HEAD)).toMatchObject([{ cause: 'stack-overflow', confidence: 'probable' }]);
  });
});
