import { describe, expect, it } from 'vitest';
import { findingsOf } from '../../../test/builders/facts.ts';
import { KernelImage } from '../../../test/builders/image.ts';
import { placeLog } from '../../../test/builders/log.ts';
import { programOfImage } from '../../../test/builders/program.ts';
import { actionsOf, storyOf, textOf } from '../../../test/builders/text.ts';
import type { Finding } from '../../model/finding.ts';
import slabCorruption from './slab-corruption.ts';

function told(...lines: readonly string[]): readonly Finding[] {
  const image = new KernelImage();
  placeLog(
    image,
    lines.map((line) => `<3>[   12.500000] ${line}`),
  );
  return findingsOf(slabCorruption, programOfImage(image));
}

const REPORT = [
  'BUG kmalloc-64 (Tainted: G           OE     ): Right Redzone overwritten',
  '0xff1252ca9061b580-0xff1252ca9061b583 @offset=1408. First byte 0x41 instead of 0xcc',
  'Allocated in session_new+0x21/0x40 [sessiondev] age=120 cpu=1 pid=265',
  'Object 0xff1252ca9061b540 @offset=1344 fp=0x0000000000000000',
];
const OOPS = 'Kernel panic - not syncing: Fatal exception';

describe('slab-corruption', () => {
  it('may be why a machine crashed of itself', () => {
    const [finding, ...more] = told(...REPORT, OOPS);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({
      cause: 'slab-corruption',
      role: 'cause',
      confidence: 'possible',
      details: { cache: { value: 'kmalloc-64' }, found: 0x41, wanted: 0xcc, resource: { value: 0xff1252ca9061b540n } },
    });
    expect(textOf(finding?.title)).toMatch(/kmalloc-64 was written beyond its bounds, .* module sessiondev\.$/);
    expect(storyOf(finding, 'holder')).toBe(
      'The object was allocated in session_new+0x21 of module sessiondev by pid 265.',
    );
    expect(actionsOf(finding)[0]).toMatch(/module sessiondev/);
  });

  it('is only told where somebody else stopped the machine', () => {
    expect(told(...REPORT, 'sysrq: Trigger a crash')).toMatchObject([{ role: 'context', confidence: 'probable' }]);
  });

  it.each([
    ['Poison overwritten', /written to after it was freed/],
    ['Object already free', /freed twice/],
    ['Freepointer corrupt', /is damaged/],
  ])('says what %s means', (problem, text) => {
    const [finding] = told(`BUG dentry (Not tainted): ${problem}`);
    expect(textOf(finding?.title)).toMatch(text);
    expect(finding?.details).toMatchObject({ object: undefined, allocated: undefined });
  });

  it('is silent without a report of SLUB', () => {
    expect(told('BUG: kernel NULL pointer dereference, address: 0000000000000018', OOPS)).toEqual([]);
  });
});
