import { expect, it } from 'vitest';
import { contextOf } from '../../../test/builders/facts.ts';
import { KernelImage } from '../../../test/builders/image.ts';
import { programOfImage } from '../../../test/builders/program.ts';
import { foreignModulesFact } from './foreign-modules.ts';

/** With modules of these names, tainted so. */
function found(taints: { readonly [name: string]: bigint } | undefined): readonly string[] {
  const image = new KernelImage();
  image.struct('module_memory', { base: 'void *', size: 'unsigned int' });
  image.struct('module', {
    list: 'struct list_head',
    name: 'char[56]',
    mem: 'struct module_memory[7]',
    ...(taints === undefined ? {} : { taints: 'unsigned long' }),
  });
  image.global('modules', 'struct list_head');
  const all = Object.entries(taints ?? { fuse: 0n });
  all.forEach(([name, mask], i) => {
    const base = 0xffffffffc0100000n + BigInt(i) * 0x100000n;
    const tainted = taints === undefined ? {} : { taints: mask };
    image.place(name, 'struct module', { name, 'mem[0].base': base, 'mem[0].size': 0x1000, ...tainted });
  });
  image.list(
    'modules',
    all.map(([name]) => `${name}.list`),
  );
  return contextOf(programOfImage(image)).use(foreignModulesFact);
}

it('names the modules that were built outside of the tree, whatever else taints them', () => {
  // OE, none, unsigned only, proprietary and out of tree.
  expect(found({ netacct: 0x3000n, fuse: 0n, loop: 0x2000n, nvidia: 0x1001n })).toEqual(['netacct', 'nvidia']);
});

it('names nobody where no module says where it was built', () => {
  expect(found(undefined)).toEqual([]);
});
