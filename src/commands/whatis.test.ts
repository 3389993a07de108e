/** The lines are crash 9.0.2's, with debuginfo. */
import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import whatis from './whatis.ts';

const { run } = commandRunner([whatis]);

test.each([
  ['whatis init_task', ['struct task_struct init_task;']],
  ['whatis panic', ['void panic(const char *, ...);']],
  ['whatis u64', ['typedef unsigned long long u64;', 'SIZE: 8']],
  ['whatis pid_t', ['typedef int pid_t;', 'SIZE: 4']],
  ['whatis atomic_t', ['typedef struct {', '    int counter;', '} atomic_t;', 'SIZE: 4']],
  ['whatis task_struct.comm', ['struct task_struct {', '  [2976] char comm[16];', '}']],
  [
    'whatis struct list_head',
    ['struct list_head {', '    struct list_head *next;', '    struct list_head *prev;', '}', 'SIZE: 16'],
  ],
  ['whatis NR_FREE_PAGES', ['NR_FREE_PAGES = 0']],
  ['whatis nr_threads', ['int nr_threads;']],
  ['whatis cpu_bit_bitmap', ['<data variable, its type is not known> cpu_bit_bitmap;']],
])('%s', (line, lines) => {
  expect(run(line).lines).toEqual(lines);
});

test('an enum has its values', () => {
  expect(run('whatis zone_stat_item').lines.slice(0, 3)).toEqual([
    'enum zone_stat_item {',
    '  NR_FREE_PAGES = 0',
    '  NR_ZONE_LRU_BASE = 1',
  ]);
});

test.each([
  ['whatis', 'what is what?'],
  ['whatis enum nosuch', "no enum 'nosuch'"],
  ['whatis a+b', 'is no name'],
  ['whatis nosuchthing', "no struct, union or typedef 'nosuchthing'"],
])('%s: %s', (line, message) => {
  expect(run(line).failures.join()).toContain(message);
});
