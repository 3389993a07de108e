/** The lines are crash 9.0.2's, with debuginfo, on the full dump that the sample was made of. */
import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import struct from './struct.ts';

const { run, json } = commandRunner([struct]);
const TASK = 'ffff88899fc4a0c0';
const LOCK = 'ffff88899fd6d080';

test('definitions, with and without offsets', () => {
  expect(run('struct list_head').lines).toEqual([
    'struct list_head {',
    '    struct list_head *next;',
    '    struct list_head *prev;',
    '}',
    'SIZE: 16',
  ]);
  expect(run('struct -o rw_semaphore').lines).toEqual([
    'struct rw_semaphore {',
    '   [0] atomic_long_t count;',
    '   [8] atomic_long_t owner;',
    '  [16] struct optimistic_spin_queue osq;',
    '  [20] raw_spinlock_t wait_lock;',
    '  [24] struct list_head wait_list;',
    '}',
    'SIZE: 40',
  ]);
  const page = run('struct page -o').lines;
  expect(page.slice(0, 8)).toEqual([
    'struct page {',
    '   [0] unsigned long flags;',
    '       union {',
    '           struct {',
    '               union {',
    '   [8]             struct list_head lru;',
    '                   struct {',
    '   [8]                 void *__filler;',
  ]);
  expect(run('struct file_operations').lines).toContain(
    '    unsigned long (*get_unmapped_area)(struct file *, unsigned long, unsigned long, unsigned long, unsigned long);',
  );
  expect(run('task_struct.pid').lines).toEqual(['struct task_struct {', '  [2416] pid_t pid;', '}']);
});

test('a whole struct: nested, unions, numbers in both radixes', () => {
  const lines = run(`struct rw_semaphore ${LOCK}`).lines;
  expect(lines.slice(0, 16)).toEqual([
    'struct rw_semaphore {',
    '  count = {',
    '    counter = 258',
    '  },',
    '  owner = {',
    '    counter = -131350304350013',
    '  },',
    '  osq = {',
    '    tail = {',
    '      counter = 0',
    '    }',
    '  },',
    '  wait_lock = {',
    '    raw_lock = {',
    '      {',
    '        val = {',
  ]);
  expect(lines).toContain("          locked = 0 '\\000',");
  expect(run(`struct -x rw_semaphore ${LOCK}`).lines.slice(5, 6)).toEqual(['    counter = 0xffff88899fc4a0c3']);
});

test('members: strings, nested paths, several, former names', () => {
  expect(run(`task_struct.pid,comm,se.exec_start,state ${TASK}`).lines).toEqual([
    '  pid = 96,',
    '  comm = "ps\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000",',
    '  se.exec_start = 2876618507,',
    '  __state = 1,',
  ]);
});

test('addresses: symbols, CPUs, counts, members inside of others', () => {
  expect(run('struct rq.nr_running runqueues:a').lines).toEqual([
    '[0]: ffff88899e831980',
    '  nr_running = 1,',
    '[1]: ffff88899e931980',
    '  nr_running = 0,',
  ]);
  expect(run('struct task_struct.comm init_task').text).toContain('"swapper/0');
  expect(run(`struct list_head ${TASK} 2`).lines).toHaveLength(9);
  expect(run(`struct inode.i_ino -l inode.i_rwsem ${LOCK}`).lines).toEqual(['  i_ino = 1,']);
  expect(run(`struct -o list_head ${TASK}`).lines.slice(1, 3)).toEqual([
    '  [ffff88899fc4a0c0] struct list_head *next;',
    '  [ffff88899fc4a0c8] struct list_head *prev;',
  ]);
});

test('raw, and what a member points to', () => {
  expect(run(`struct -r rw_semaphore ${LOCK}`).lines[0]).toBe(
    'ffff88899fd6d080:  0000000000000102 ffff88899fc4a0c3   ................',
  );
  expect(run(`struct -p task_struct.mm ${TASK}`).lines.slice(0, 4)).toEqual([
    '  struct mm_struct *mm = 0xffff888981b7a880',
    '  -> {',
    '       {',
    '         mm_mt = {',
  ]);
});

test.each([
  ['struct task', 'did you mean task_struct?'],
  ['struct task_struct.pidd 0', "has no member 'pidd'; did you mean pid?"],
  ['struct list_head 0', 'cannot read virtual memory at 0x0000000000000000: unmapped'],
  ['struct', 'which type?'],
  ['struct list_head init_tsk', "no symbol or enumerator 'init_tsk'; did you mean init_task?"],
])('%s: %s', (line, message) => {
  expect(run(line)).toMatchObject({ text: '', failures: [expect.stringContaining(message)] });
});

test('JSON nests as the struct does', () => {
  expect(json(`struct rw_semaphore ${LOCK}`)).toHaveProperty('data[0].value.count.counter', 258);
  expect(json(`task_struct.comm ${TASK}`)).toHaveProperty('data[0].value', { comm: 'ps' });
});

test('-p of a null pointer', () => {
  expect(run('struct -p task_struct.mm init_task').lines).toEqual(['  struct mm_struct *mm = 0x0', '  -> NULL']);
});

test('-u reads the memory of the chosen task', () => {
  // The sample has no page of a program: what is there is told.
  expect(run('struct -u list_head 401000').failures[0]).toMatch(/cannot read virtual memory at 0x0000000000401000/);
  // The same address is no kernel memory at all.
  expect(run('struct list_head 401000').failures[0]).toContain('unmapped');
});
