/** A tree of three timers of which the second expires first, built by hand in the layouts of several kernels. */
import { describe, expect, it } from 'vitest';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { ValidationError } from '../base/errors.ts';
import { clockTimers, type Timer } from './timers.ts';

type Era = '4.4' | '6.1' | '7.2';

function image(era: Era): KernelImage {
  const built = new KernelImage();
  built.struct('rb_node', {
    __rb_parent_color: 'unsigned long',
    rb_right: 'struct rb_node *',
    rb_left: 'struct rb_node *',
  });
  built.struct('rb_root', { rb_node: 'struct rb_node *' });
  built.union('ktime', { tv64: 's64' });
  const time = era === '4.4' ? 'union ktime' : 's64';
  if (era === '7.2') {
    built.struct('rb_node_linked', {
      node: 'struct rb_node',
      prev: 'struct rb_node_linked *',
      next: 'struct rb_node_linked *',
    });
    built.struct('timerqueue_linked_node', { node: 'struct rb_node_linked', expires: time });
    // In that kernel both kinds of nodes exist.
    built.struct('timerqueue_node', { node: 'struct rb_node', expires: time });
    built.struct('rb_root_linked', { rb_root: 'struct rb_root', rb_leftmost: 'struct rb_node_linked *' });
    built.struct('timerqueue_linked_head', { rb_root: 'struct rb_root_linked' });
    built.struct('hrtimer_clock_base', { index: 'int', active: 'struct timerqueue_linked_head' });
  } else {
    built.struct('timerqueue_node', { node: 'struct rb_node', expires: time });
    built.struct('rb_root_cached', { rb_root: 'struct rb_root', rb_leftmost: 'struct rb_node *' });
    built.struct(
      'timerqueue_head',
      era === '4.4'
        ? { head: 'struct rb_root', next: 'struct timerqueue_node *' }
        : { rb_root: 'struct rb_root_cached' },
    );
    built.struct('hrtimer_clock_base', { index: 'int', active: 'struct timerqueue_head' });
  }
  built.struct('hrtimer', {
    node: `struct timerqueue_${era === '7.2' ? 'linked_' : ''}node`,
    _softexpires: time,
    function: 'void *',
  });
  const inner = era === '7.2' ? 'node.node.node' : 'node.node';
  const root = { '4.4': 'active.head', '6.1': 'active.rb_root.rb_root', '7.2': 'active.rb_root.rb_root' }[era];
  built.function('watchdog_timer_fn');
  built.place('base', 'struct hrtimer_clock_base', { index: 0, [`${root}.rb_node`]: ref(`b.${inner}`) });
  const timer = (
    name: string,
    expires: number,
    links: Readonly<Record<string, ReturnType<typeof ref> | number>>,
  ): void =>
    void built.place(name, 'struct hrtimer', {
      'node.expires': expires,
      _softexpires: expires - 5,
      function: ref('watchdog_timer_fn'),
      ...Object.fromEntries(Object.entries(links).map(([link, to]) => [`${inner}.${link}`, to])),
    });
  timer('b', 200, { __rb_parent_color: 1, rb_left: ref(`a.${inner}`), rb_right: ref(`c.${inner}`) });
  timer('a', 100, { __rb_parent_color: ref(`b.${inner}`) });
  timer('c', 300, { __rb_parent_color: ref(`b.${inner}`) });
  return built;
}

const timers = (built: KernelImage): readonly Timer[] => clockTimers(programOfImage(built), built.address('base'));

describe.each(['4.4', '6.1', '7.2'] as const)('timers of a clock in the layout of %s', (era) => {
  it('come in order of their expiry, each with its function', () => {
    const built = image(era);
    const callback = built.address('watchdog_timer_fn');
    expect(timers(built)).toEqual(
      ['a', 'b', 'c'].map((name, i) => ({
        timer: built.address(name),
        expires: BigInt(100 * (i + 1)),
        softExpires: BigInt(100 * (i + 1) - 5),
        function: callback,
      })),
    );
  });

  it('are none in an empty tree, and an error in one that runs in a circle', () => {
    const inner = era === '7.2' ? 'node.node.node' : 'node.node';
    const broken = image(era);
    broken.write(`a.${inner}.rb_left`, ref(`b.${inner}`));
    expect(() => timers(broken)).toThrow(ValidationError);
    const root = era === '4.4' ? 'active.head' : 'active.rb_root.rb_root';
    broken.write(`base.${root}.rb_node`, 0);
    expect(timers(broken)).toEqual([]);
  });
});
