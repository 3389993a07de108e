import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import { add, clearBits, sub, virt } from '../base/address.ts';
import { defineCommand } from '../model/command.ts';
import { VirtualMemory } from '../program/virtual-memory.ts';
import { memberLines, structData, structLines, structSpec } from './struct-view.ts';

/** Page by page: only whole pages are mapped elsewhere. */
const USER = virt(0x400000n);
const PAGE = 0xfffn;

/** A list_head of the kernel, seen at an address of another memory. */
const show = defineCommand({
  name: 'show',
  summary: 'a struct that lies elsewhere',
  options: [],
  arguments: [],
  examples: [{ line: 'show', what: 'it' }],
  run(context) {
    const { program } = context;
    const { address } = program.symbol('modules');
    const memory = new VirtualMemory(program.memory.physical, (at) =>
      program.memory.translate(add(clearBits(address, PAGE), sub(at, USER))),
    );
    const at = add(USER, address & PAGE);
    const options = { radix: 16, context, what: 'elsewhere', memory } as const;
    const spec = structSpec(program, 'list_head');
    return {
      shape: 'lines',
      lines: [...structLines(spec, at, options), ...memberLines(structSpec(program, 'list_head.prev'), at, options)],
      data: () => structData({ memory }, spec, at),
    };
  },
});

test('a struct in another memory than the kernel’s', () => {
  const { run, json } = commandRunner([show]);
  expect(run('show').lines).toEqual([
    'struct list_head {',
    '  next = 0xffffffffc037f2c8 <__this_module+8>,',
    '  prev = 0xffffffffc037f2c8 <__this_module+8>',
    '}',
    '  prev = 0xffffffffc037f2c8 <__this_module+8>',
  ]);
  expect(json('show')).toMatchObject({
    data: { address: '0x0000000000400160', value: { next: '0xffffffffc037f2c8' } },
  });
});
