import { describe, expect, it } from 'vitest';
import { contextOf, findingsOf } from '../../../test/builders/facts.ts';
import { KernelImage } from '../../../test/builders/image.ts';
import { placeLog } from '../../../test/builders/log.ts';
import { programOfImage } from '../../../test/builders/program.ts';
import { actionsOf, storyOf, textOf } from '../../../test/builders/text.ts';
import type { ObjectTracks } from '../../kernel/slab-track.ts';
import type { Finding } from '../../model/finding.ts';
import { crashCauseFact } from '../facts/crash-cause.ts';
import useAfterFree from './use-after-free.ts';

function imageOf(lines: readonly string[]): KernelImage {
  const image = new KernelImage();
  placeLog(
    image,
    lines.map((line, i) => `<1>[  500.${String(i).padStart(6, '0')}] ${line}`),
  );
  return image;
}

const told = (...lines: readonly string[]): readonly Finding[] =>
  findingsOf(useAfterFree, programOfImage(imageOf(lines)));

const WHERE = [
  'CPU: 0 PID: 265 Comm: nbd-client Not tainted 6.1.0 #1',
  'RIP: 0010:session_touch+0x13/0x20 [sessiondev]',
  'RAX: 6b6b6b6b6b6b6b6c RBX: 0000000000000004 RCX: 0000000000000000',
  '---[ end trace 0000000000000000 ]---',
  'Kernel panic - not syncing: Fatal exception',
];
const fault = (address: string): string =>
  `general protection fault, probably for non-canonical address 0x${address}: 0000 [#1] PREEMPT SMP NOPTI`;

describe('use-after-free', () => {
  it.each([
    ['6b6b6b6b6b6b6b6b', 'poison'],
    ['6b6b6b6b6b6b6b93', 'poison'],
    ['dead000000000100', 'list-poison'],
    ['dead00000000012a', 'list-poison'],
  ])('tells it from the address %s (%s)', (address, proof) => {
    const [finding, ...others] = told(fault(address), ...WHERE);
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      cause: 'use-after-free',
      role: 'cause',
      confidence: 'probable',
      details: { proof, function: { name: 'session_touch', module: 'sessiondev' } },
    });
    expect(textOf(finding?.title)).toContain('Use after free: session_touch+0x13 of module sessiondev');
  });

  it('tells it from the registers where the kernel prints no address', () => {
    expect(told('general protection fault: 0000 [#1] SMP', ...WHERE)).toMatchObject([{ cause: 'use-after-free' }]);
  });

  it.each(['4141414141414141', 'dead0000000a0000', '6b6b6b6b00000000'])(
    'says nothing of %s, which is no poison: then it is an oops like others',
    (address) => {
      expect(told(fault(address), ...WHERE)).toEqual([]);
    },
  );

  it('says who freed the object where slub_debug noted it, and else how to learn that', () => {
    const program = programOfImage(imageOf([fault('6b6b6b6b6b6b6b6b'), ...WHERE]));
    const crash = contextOf(program).use(crashCauseFact);
    const tell = (tracks: ObjectTracks | undefined): readonly Finding[] =>
      useAfterFree.detector.run({ crash, notes: { tracks, scrambled: true } }, program);
    const freed = { func: 'session_close', offset: 0x11, module: 'sessiondev', pid: 77 };
    const [noted] = tell({ allocated: undefined, freed });
    expect(storyOf(noted, 'why')).toContain(
      'The object was freed last in session_close+0x11 of module sessiondev by pid 77, as slub_debug noted behind it.',
    );
    expect(actionsOf(noted).at(-1)).toBe(
      'Mend the code: what session_close frees, session_touch must not use any more.',
    );
    const [other] = tell(undefined);
    expect(storyOf(other, 'why')).not.toContain('freed last');
    expect(actionsOf(other).at(-1)).toContain('boot with slub_debug=FPZU');
  });

  it('is silent when the machine survived it', () => {
    expect(told(fault('6b6b6b6b6b6b6b6b'), ...WHERE.slice(0, 4), 'sysrq: Trigger a crash')).toEqual([]);
  });

  it('speaks from a cut log', () => {
    expect(told(fault('6b6b6b6b6b6b6b6b'))).toMatchObject([{ cause: 'use-after-free', confidence: 'probable' }]);
    expect(told()).toEqual([]);
  });
});
