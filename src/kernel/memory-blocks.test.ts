import { expect, test } from 'vitest';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { memoryBlocks } from './memory-blocks.ts';

/** Two blocks, listed last first; with the enumeration of 6.18, and the bus found in a kset, as since 6.4. */
function withBlocks(newer: boolean): KernelImage {
  const image = new KernelImage();
  image.struct('kobject', { name: 'char *', entry: 'struct list_head' });
  image.struct('device', { kobj: 'struct kobject' });
  image.struct('klist', { k_lock: 'spinlock_t', k_list: 'struct list_head' });
  image.struct('klist_node', { n_klist: 'void *', n_node: 'struct list_head' });
  image.struct('device_private', { knode_bus: 'struct klist_node', device: 'struct device *' });
  image.struct('kset', { list: 'struct list_head', kobj: 'struct kobject' });
  image.struct('subsys_private', { subsys: 'struct kset', klist_devices: 'struct klist', bus: 'struct bus_type *' });
  image.struct('bus_type', newer ? { name: 'char *' } : { name: 'char *', p: 'struct subsys_private *' });
  if (newer) image.enum('memory_block_state', ['MEM_ONLINE', 'MEM_GOING_OFFLINE', 'MEM_OFFLINE']);
  image.struct('memory_block', {
    start_section_nr: 'unsigned long',
    state: newer ? 'enum memory_block_state' : 'unsigned long',
    nid: 'int',
    dev: 'struct device',
  });
  image.place('private', 'struct subsys_private', { bus: ref('memory_subsys') });
  image.global('memory_subsys', 'struct bus_type', newer ? {} : { p: ref('private') });
  image.place('buses', 'struct kset');
  image.list('buses.list', ['private.subsys.kobj.entry']);
  image.global('bus_kset', 'struct kset *', ref('buses'));
  const block = (label: string, section: number, node: number, state: number): void => {
    image.place(label, 'struct memory_block', {
      start_section_nr: section,
      state,
      nid: node,
      'dev.kobj.name': label,
    });
    image.place(`${label}-p`, 'struct device_private', { device: ref(`${label}.dev`) });
  };
  block('memory8', 8, 1, newer ? 2 : 4);
  block('memory0', 0, 0, newer ? 0 : 1);
  image.list(
    'private.klist_devices.k_list',
    ['memory8', 'memory0'].map((label) => `${label}-p.knode_bus.n_node`),
  );
  return image;
}

const told = (image: KernelImage) => {
  const { blocks, problem } = memoryBlocks(programOfImage(image));
  return { blocks: blocks.map(({ name, section, node, state }) => [name, section, node, state]), problem };
};

test.each([false, true])('blocks in the order of their sections, with the states of their kernel: %s', (newer) => {
  expect(told(withBlocks(newer))).toEqual({
    blocks: [
      ['memory0', 0, 0, 'ONLINE'],
      ['memory8', 8, 1, 'OFFLINE'],
    ],
    problem: undefined,
  });
});

test('a state that is none, and a list that breaks off', () => {
  const image = withBlocks(false);
  image.write('memory0.state', 3);
  image.write('memory8.state', 2);
  expect(told(image).blocks.map((block) => block[3])).toEqual([undefined, 'GOING_OFFLINE']);
  image.write('memory8-p.knode_bus.n_node.next', 0xffff888012345678n);
  const { blocks, problem } = told(image);
  expect(blocks).toEqual([['memory8', 8, 1, 'GOING_OFFLINE']]);
  expect(problem).toContain('after 1: cannot read');
});
