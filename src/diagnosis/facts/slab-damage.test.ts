import { describe, expect, it } from 'vitest';
import { KernelImage } from '../../../test/builders/image.ts';
import { programOfImage } from '../../../test/builders/program.ts';
import { add, virt } from '../../base/address.ts';
import type { Oops } from '../../kernel/oops.ts';
import type { SlabDamage } from '../../kernel/slab-damage.ts';
import { fatalDamage } from './slab-damage.ts';

const OBJECT = virt(0xffff888010000400n);
const NEXT = add(OBJECT, 128);
const CACHE = virt(0xffff888000100000n);

const DAMAGE: SlabDamage = {
  cache: CACHE,
  cacheName: 'packets',
  kind: 'behind',
  object: OBJECT,
  index: 3,
  stride: 128,
  from: add(OBJECT, 64),
  found: new Uint8Array(8).fill(0x41),
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
  cpu: 0,
};

function oops(address: bigint | undefined, registers: { readonly [name: string]: bigint }): Oops {
  return {
    kind: 'general-protection',
    headline: 'general protection fault',
    timeNs: undefined,
    address: address === undefined ? undefined : virt(address),
    access: undefined,
    at: undefined,
    cpu: 0,
    pid: 1,
    comm: 'lldpd',
    registers: new Map(Object.entries(registers)),
    code: undefined,
    trace: [],
  };
}

/** The object behind the damaged one has, at offset 8, what was written beyond that. */
function fatal(what: Oops, damage: SlabDamage): ReturnType<typeof fatalDamage> {
  const image = new KernelImage();
  const bytes = new Uint8Array(4096);
  bytes.fill(0x41, 0x400 + 128 + 8, 0x400 + 128 + 16);
  image.bytes('slab', bytes, { at: virt(0xffff888010000000n) });
  return fatalDamage(programOfImage(image), what, [damage]);
}

describe('fatalDamage', () => {
  it('finds the object behind a damaged one, out of which the address was read', () => {
    expect(fatal(oops(0x4141414141414149n, { rax: 1n, rdi: NEXT }), DAMAGE)).toEqual({
      damage: DAMAGE,
      register: 'rdi',
      object: NEXT,
      pointerAt: 8,
    });
  });

  it.each([
    ['no register points there', oops(0x4141414141414141n, { rdi: add(NEXT, 128) })],
    ['the address was not read there', oops(0x4242424242424242n, { rdi: NEXT })],
    ['the log names no address', oops(undefined, { rdi: NEXT })],
  ])('says nothing when %s', (_, what) => {
    expect(fatal(what, DAMAGE)).toBeUndefined();
  });

  it('does not look behind an object that was written in front of', () => {
    expect(fatal(oops(0x4141414141414141n, { rdi: NEXT }), { ...DAMAGE, kind: 'before' })).toBeUndefined();
  });

  it('finds the list that the allocator followed', () => {
    expect(fatal(oops(0x10ad6e2bbda6181bn, { rax: 0x10ad6e2bbda617fbn }), BROKEN)).toMatchObject({
      register: 'rax',
      pointerAt: undefined,
    });
    expect(fatal(oops(0x10ad6e2bbda6181bn, { rax: 0x10ad6e2bbda617fcn }), BROKEN)).toBeUndefined();
    expect(fatal(oops(0x20n, { rax: 0x10ad6e2bbda617fbn }), BROKEN)).toBeUndefined();
  });
});
