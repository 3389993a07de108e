import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { runWith } from '../../test/builders/cli.ts';
import { SAMPLE } from '../../test/builders/sample.ts';
import { tempFolder } from '../../test/builders/temp-folder.ts';
import { Terminal } from '../../test/builders/terminal.ts';

const PROMPT = /kwhy> /;

function shell(env: { readonly [name: string]: string } = {}) {
  const folder = tempFolder();
  const terminal = new Terminal(['shell', '--no-rc', SAMPLE], {
    XDG_STATE_HOME: folder('state'),
    PAGER: 'cat',
    ...env,
  });
  return { folder, terminal };
}

test('commands, pipes, history, and the end', async () => {
  const { folder, terminal } = shell();
  expect(await terminal.until(PROMPT)).toContain('RELEASE: 6.1.0-56-cloud-amd64');
  expect(await terminal.line('ps -S')).toContain('  RU: 3\n  IN: 71\n  ID: 38\n  UN: 51\n');
  expect(await terminal.line('log | grep -c ACPI')).toMatch(/^\d+\n/);
  expect(await terminal.line('pss')).toContain('did you mean ps?');
  // Up goes through the history of lines that begin as what is typed.
  terminal.send('ps\u001b[A');
  await terminal.until(/pss/);
  terminal.send('\u001b[A');
  await terminal.until(/ps -S/);
  expect(await terminal.line('')).toContain('UN: 51');
  expect(await terminal.line('history grep')).toMatch(/\d {2}log \| grep -c ACPI\n/);
  terminal.send('exit\r');
  expect(await terminal.ended()).toBe(0);
  expect(readFileSync(folder('state/kwhy/history'), 'utf8').split('\n').slice(0, 3)).toEqual([
    'ps -S',
    'log | grep -c ACPI',
    'pss',
  ]);
});

test('Tab completes commands, types, members, options, files', async () => {
  const { folder, terminal } = shell();
  await terminal.until(PROMPT);
  const tab = async (typed: string, expected: RegExp): Promise<void> => {
    terminal.send(typed);
    await terminal.until(new RegExp(`${typed.slice(-4).replace(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`)}`));
    terminal.send('\t');
    await terminal.until(expected);
    // Ctrl-U gives up the line.
    terminal.send('\u0015');
    await terminal.until(PROMPT);
  };
  await tab('whati', /s /);
  await tab('struct rw_semaph', /ore/);
  await tab('task_struct.exit_co', /de /);
  await tab('p init_task.static_pr', /io /);
  await tab('sym mutex_lock_kil', /lable/);
  writeFileSync(folder('addresses'), '');
  await tab(`struct list_head < ${folder('addr')}`, /esses/);
  terminal.send('\u0004');
  expect(await terminal.ended()).toBe(0);
});

test('long output goes to the pager, short output does not', async () => {
  const { terminal } = shell({ PAGER: 'wc -l' });
  await terminal.until(PROMPT);
  expect(await terminal.line('sym -l')).toMatch(/^\s*[89]\d{4}\n/);
  expect(await terminal.line('sys -t')).toBe('TAINTED_MASK: 0\n\u001b[1G\u001b[0Jkwhy> ');
  terminal.send('exit\r');
  await terminal.ended();
});

test('Ctrl-C ends a command, at once, and the shell goes on; at the prompt it gives up the line', async () => {
  const { folder, terminal } = shell();
  // One command that works for minutes.
  writeFileSync(folder('pids'), `${'96 '.repeat(100_000)}\n`);
  await terminal.until(PROMPT);
  await terminal.line('set 101');
  terminal.send(`bt -FF < ${folder('pids')}\r`);
  await terminal.until(/handle_userfault at/);
  terminal.send('\u0003');
  await terminal.until(/kwhy: interrupted/);
  await terminal.until(PROMPT);
  // The session is the same.
  expect(await terminal.line('set')).toContain('PID: 101');
  terminal.send('nonsense\u0003');
  await terminal.until(/\^C/);
  await terminal.until(PROMPT);
  expect(await terminal.line('sys -t')).toContain('TAINTED_MASK: 0\n');
  terminal.send('repeat sys -t\r');
  await terminal.until(/TAINTED_MASK: 0\r\nTAINTED_MASK: 0/);
  terminal.send('\u0003');
  await terminal.until(PROMPT);
  terminal.send('exit\r');
  expect(await terminal.ended()).toBe(0);
});

test('a wrong command line', async () => {
  expect(await runWith(['shell'])).toMatchObject({ status: 2, out: '' });
  expect((await runWith(['shell', '--help'])).out).toContain('usage: kwhy shell VMCORE');
  expect((await runWith(['shell', '/nonexistent'])).status).toBe(3);
});
