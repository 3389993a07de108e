import { expect, test } from 'vitest';
import { virt } from '../base/address.ts';
import { address, command, count, ctype, duration, name, prose, symbol, task } from '../model/value.ts';
import { proseText } from './value-text.ts';

const at = virt(0xffff88899fd6d080n);

test('every kind of value in a sentence', () => {
  expect(proseText(prose`${task({ pid: 96, comm: 'ps', address: at })} holds ${address(at)}`)).toBe(
    'ps (pid 96) holds 0xffff88899fd6d080',
  );
  expect(proseText(prose`${symbol('i_rwsem')}, a ${ctype('struct rw_semaphore')}, ${count(51)} wait`)).toBe(
    'i_rwsem, a struct rw_semaphore, 51 wait',
  );
  expect(proseText(prose`for ${duration(8_540_000_000n)}: try ${command('kill -9 96')}`)).toBe(
    'for 8.5 s: try `kill -9 96`',
  );
  expect(proseText(prose`${address(virt(0n))}`)).toBe('0x0000000000000000');
});

test('a name that could be taken for the sentence around it stands in quotes', () => {
  const told = (comm: string): string => proseText(prose`${task({ pid: 7, comm, address: at })} ran`);
  expect(told('kworker/0:1H')).toBe('kworker/0:1H (pid 7) ran');
  expect(told('')).toBe("'' (pid 7) ran");
  expect(told('tokio worker')).toBe("'tokio worker' (pid 7) ran");
  expect(told("x' (pid 1) and")).toBe(String.raw`'x\x27 (pid 1) and' (pid 7) ran`);
  expect(told('(sd-pam)')).toBe("'(sd-pam)' (pid 7) ran");
  expect(proseText(prose`in ${name('a b')}`)).toBe("in 'a b'");
});

test('a line that is nothing but a name or a command is shown as it is', () => {
  expect(proseText([name("sysrq: it's")])).toBe("sysrq: it's");
  expect(proseText([command('log | grep x')])).toBe('log | grep x');
});

test('a path of 4095 bytes does not fill the screen', () => {
  const text = proseText(prose`in ${name(`/${'d'.repeat(4094)}`)}`);
  expect(text.length).toBeLessThan(200);
  expect(text).toContain('4095 characters');
});
