import { describe, expect, it } from 'vitest';
import { contextOf, findingsOf } from '../../../test/builders/facts.ts';
import { KernelImage } from '../../../test/builders/image.ts';
import { placeLog } from '../../../test/builders/log.ts';
import { programOfImage } from '../../../test/builders/program.ts';
import { actionsOf, storyOf, textOf } from '../../../test/builders/text.ts';
import { virt } from '../../base/address.ts';
import type { SlabDamage } from '../../kernel/slab-damage.ts';
import type { Fact, FactContext } from '../../model/diagnosis.ts';
import type { Finding } from '../../model/finding.ts';
import type { CrashCause } from '../facts/crash-cause.ts';
import { fatalOopsFact } from '../facts/oopses.ts';
import type { FatalDamage } from '../facts/slab-damage.ts';
import slabCorruption from './slab-corruption.ts';

function told(...lines: readonly string[]): readonly Finding[] {
  return toldIn(new KernelImage(), ...lines);
}

function toldIn(image: KernelImage, ...lines: readonly string[]): readonly Finding[] {
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
  'Redzone  ff1252ca9061b580: 41 41 41 41 cc cc cc cc                          AAAA....',
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

  it('is only told where somebody or something else stopped the machine', () => {
    expect(told(...REPORT, 'sysrq: Trigger a crash')).toMatchObject([{ role: 'context', confidence: 'probable' }]);
    const oom = 'Kernel panic - not syncing: Out of memory: system-wide panic_on_oom is enabled';
    expect(told(...REPORT, oom)).toMatchObject([{ role: 'context', confidence: 'probable', explains: [] }]);
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

  describe('where the report itself stopped the machine', () => {
    const STOP = 'Kernel panic - not syncing: panic_on_taint set ...';
    const NOTICED = 'CPU: 0 PID: 478 Comm: zabbix_agentd Kdump: loaded Tainted: G    B      OE      6.1.0 #1';

    it('is certain as long as memory has the damage', () => {
      const image = new KernelImage();
      const page = new Uint8Array(4096).fill(0xcc);
      page.set(new TextEncoder().encode('AAAA'), 0x580);
      image.bytes('slab', page, { at: virt(0xff1252ca9061b000n) });
      const [finding] = toldIn(image, ...REPORT, NOTICED, STOP);
      expect(finding).toMatchObject({ role: 'cause', confidence: 'certain', details: { inMemory: 'bytes' } });
      expect(storyOf(finding, 'proof')).toBe('By the log; memory has it still. By hand: log, rd ff1252ca9061b580.');
      expect(storyOf(finding, 'why')).toBe(
        'SLUB reported Right Redzone overwritten: from 0xff1252ca9061b580 on stands 0x41 in place of 0xcc, as text AAAA.',
      );
      expect(storyOf(finding, 'task')).toMatch(/^zabbix_agentd \(pid 478\), .* need not have done the damage\.$/);
    });

    it('is probable where memory has it no more', () => {
      const image = new KernelImage();
      image.bytes('slab', new Uint8Array(4096).fill(0xcc), { at: virt(0xff1252ca9061b000n) });
      expect(toldIn(image, ...REPORT, STOP)).toMatchObject([
        { role: 'cause', confidence: 'probable', details: { inMemory: undefined } },
      ]);
    });
  });

  it('is silent without a report of SLUB', () => {
    expect(told('BUG: kernel NULL pointer dereference, address: 0000000000000018', OOPS)).toEqual([]);
  });

  describe('that memory alone shows', () => {
    const DAMAGE: SlabDamage = {
      cache: virt(0xffff888000100000n),
      cacheName: 'packets',
      kind: 'behind',
      object: virt(0xffff888010000400n),
      index: 3,
      stride: 128,
      from: virt(0xffff888010000440n),
      found: new TextEncoder().encode('AAAAAAAA'),
      wanted: 0xcc,
      leadsTo: undefined,
      overwritten: new Uint8Array(),
      cpu: undefined,
    };
    const BROKEN: SlabDamage = {
      ...DAMAGE,
      kind: 'free-list',
      object: undefined,
      index: undefined,
      wanted: undefined,
      leadsTo: virt(0x10ad6e2bbda617fbn),
      overwritten: new TextEncoder().encode('AAAAAA'),
      cpu: 0,
    };
    const OOPS_LOG = [
      'general protection fault, probably for non-canonical address 0x4141414141414141: 0000 [#1] PREEMPT SMP NOPTI',
      'CPU: 0 PID: 286 Comm: lldpd Not tainted 6.1.0 #1',
      'RIP: 0010:packet_use+0x13/0x20 [packetdev]',
      '---[ end trace 0000000000000000 ]---',
      OOPS,
    ];

    /** With that damage, and what of it the kernel fell over. */
    function finding(damage: SlabDamage, slab: Omit<FatalDamage, 'damage'> | undefined): Finding | undefined {
      const image = new KernelImage();
      placeLog(
        image,
        OOPS_LOG.map((line) => `<1>[   10.100000] ${line}`),
      );
      const real = contextOf(programOfImage(image));
      const context: FactContext = {
        ...real,
        use<T>(fact: Fact<T>): T {
          const known: unknown = fact.id === 'slab-damage' ? [damage] : fact.id === 'crash-cause' ? cause() : undefined;
          return known === undefined ? real.use(fact) : (known as T);
        },
      };
      const cause = (): CrashCause | undefined => {
        const fatal = real.use(fatalOopsFact);
        if (fatal === undefined) return undefined;
        return slab === undefined
          ? { fatal, kind: 'other' }
          : { fatal, kind: 'slab-damage', slab: { damage, ...slab } };
      };
      return slabCorruption.runWith(context)[0];
    }

    it('is the cause where the kernel followed a pointer out of it', () => {
      const object = virt(0xffff888010000480n);
      const found = finding(DAMAGE, { register: 'rdi', pointerAt: 8, object });
      // Of the stack there is nothing in this dump.
      expect(found).toMatchObject({
        role: 'cause',
        confidence: 'probable',
        details: { resource: { value: DAMAGE.object } },
      });
      expect(textOf(found?.title)).toBe(
        'An object of the slab cache packets was written beyond its end, and packet_use+0x13 of module packetdev fell over that, running for lldpd.',
      );
      expect(storyOf(found, 'proof')).toMatch(/register rdi points into the object behind it, .* at offset 8\./);
      expect(found?.details).not.toMatchObject({ culprit: expect.anything() as unknown });
    });

    it('is the cause where the allocator followed a list that it had spoiled', () => {
      const found = finding(BROKEN, { register: 'rax', pointerAt: undefined, object: undefined });
      expect(found).toMatchObject({ role: 'cause', details: { resource: { value: BROKEN.cache } } });
      expect(storyOf(found, 'why')).toContain('begins, as text, with AAAAAA');
      expect(actionsOf(found)[0]).toContain('slub_debug=FZPU,packets panic_on_taint=0x20');
    });

    it('is only told where nothing fell over it', () => {
      expect(finding(DAMAGE, undefined)).toMatchObject({ role: 'context', confidence: 'possible', explains: [] });
    });
  });
});
