import { describe, expect, it } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import { KernelImage } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import tree from './tree.ts';

const { run, json } = commandRunner([tree]);

// The lines of crash 9.0.2 on the full dump, but for the maple tree: crash shows its entries in decimal.
describe('tree', () => {
  it('goes through a red-black tree, parents first', () => {
    const { lines } = run('tree -t rbtree -o vmap_area.rb_node vmap_area_root -s vmap_area.va_start,va_end');
    expect(lines.slice(0, 5)).toEqual([
      'ffff8889973bf180',
      '  va_start = 18446693410279604224,',
      '  va_end = 18446693410279624704,',
      'ffff88898104d140',
      '  va_start = 18446693410276261888,',
    ]);
    expect(run('tree -p -o vmap_area.rb_node vmap_area_root').lines.slice(0, 8)).toEqual([
      'ffff8889973bf180',
      '  position: root',
      'ffff88898104d140',
      '  position: root/l',
      'ffff88898104d0c0',
      '  position: root/l/l',
      'ffff88898104df40',
      '  position: root/l/l/l',
    ]);
  });

  it('-l goes through it in its order, -x shows numbers in hex', () => {
    const all = run('tree -l -o vmap_area.rb_node vmap_area_root').lines;
    expect(all.slice(0, 3)).toEqual(['ffff88898104dc00', 'ffff88898104dec0', 'ffff88898104ddc0']);
    expect([...all].sort()).toEqual([...run('tree -o vmap_area.rb_node vmap_area_root').lines].sort());
    expect(run('tree -x -S vmap_area.va_start -o vmap_area.rb_node vmap_area_root').lines[1]).toBe(
      '  va_start = 0xffffd1ec00414000,',
    );
  });

  it('-N begins at a node', () => {
    const nodes = run('tree vmap_area_root').lines;
    expect(run(`tree -N ${nodes[0]}`).lines).toEqual(nodes);
    expect(run(`tree -N ${nodes[1]}`).lines.length).toBeLessThan(nodes.length);
  });

  it('goes through an XArray with index and place', () => {
    const { lines } = run('tree -t xarray -p -s pid.level -r pid_namespace.idr init_pid_ns');
    expect(lines.slice(0, 6)).toEqual([
      'ffff8889811f7300',
      '  index: 1  position: root/0/1',
      '  level = 0,',
      'ffff8889811f7e80',
      '  index: 2  position: root/0/2',
      '  level = 0,',
    ]);
    expect(run('tree -t radix -p -s pid.level -r pid_namespace.idr init_pid_ns').lines).toEqual(lines);
  });

  it('goes through a maple tree', () => {
    expect(
      run('tree -t maple -x -v -s vm_area_struct.vm_end -r mm_struct.mm_mt ffff888981057180').lines.slice(0, 3),
    ).toEqual(['ffff8889824d6be0', '  range: 0x0000000000400000-0x0000000000400fff', '  vm_end = 0x401000,']);
  });

  it('names what is wrong', () => {
    expect(run('tree -t foo 1').failures).toEqual(['tree: -t foo: there are rbtree, radix, xarray, maple']);
    expect(run('tree').failures[0]).toContain('usage: tree');
    expect(run('tree -t xarray -N init_pid_ns').failures).toEqual(['tree: -N is for red-black trees']);
  });

  it('gives index, place and object as data', () => {
    const text = JSON.stringify(json('tree -t xarray -s pid.level -r pid_namespace.idr init_pid_ns'));
    expect(text).toContain(
      '{"address":"0xffff8889811f7300","position":"root/0/1","index":1,"object":{"address":"0xffff8889811f7300","value":{"level":0}}}',
    );
  });
});

describe('a tree that is damaged', () => {
  it('is shown as far as it is sound', () => {
    const image = new KernelImage();
    image.struct('rb_node', {
      __rb_parent_color: 'unsigned long',
      rb_right: 'struct rb_node *',
      rb_left: 'struct rb_node *',
    });
    image.struct('rb_root', { rb_node: 'struct rb_node *' });
    const root = image.place('top', 'struct rb_node', {
      __rb_parent_color: 1,
      rb_left: image.place('left', 'struct rb_node', { __rb_parent_color: 1 }),
    });
    image.global('the_root', 'struct rb_root', { rb_node: root });
    const shown = commandRunner([tree], programOfImage(image)).run('tree the_root');
    expect(shown.lines).toHaveLength(1);
    expect(shown.problems).toHaveLength(1);
    expect(shown.problems[0]).toContain('its parent is another node');
  });
});
