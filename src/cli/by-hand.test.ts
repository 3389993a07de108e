/** The commands by hand that a report names: each is asked of the sample it was told of, and answers. */
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { fakeIo, runWith } from '../../test/builders/cli.ts';
import { loadCore } from './core.ts';

const SAMPLE = join(import.meta.dirname, '../../samples/hung-6.1.vmcore');

interface Told {
  readonly findings: readonly { readonly evidence: readonly { readonly show: string }[] }[];
}

async function run(...argv: readonly string[]): Promise<{ readonly status: number; readonly out: string }> {
  return runWith(argv, fakeIo({}, await loadCore()));
}

/** Of the evidence, and of sentences: 'by hand: `a`, `b`'. */
function commandsIn(json: Told, text: string): string[] {
  const shown = json.findings.flatMap(({ evidence }) => evidence.map(({ show }) => show));
  const said = [...text.matchAll(/by hand: ((?:`[^`]+`(?:, | and )?)+)/g)].flatMap(([, list = '']) =>
    [...list.matchAll(/`([^`]+)`/g)].map(([, line = '']) => line),
  );
  return [...new Set([...shown, ...said])];
}

describe('commands by hand', () => {
  const known: { commands: readonly string[] } = { commands: [] };
  beforeAll(async () => {
    const json = JSON.parse((await run(SAMPLE, '--json')).out) as Told;
    known.commands = commandsIn(json, (await run(SAMPLE, '--width', '5000')).out);
  });

  it('are told', () => {
    expect(known.commands.length).toBeGreaterThan(5);
  });

  it('parse, and show something whole', async () => {
    for (const line of known.commands) {
      const { status, out } = await run('run', SAMPLE, '--no-rc', '-c', line);
      expect([line, status, out.trim() === '']).toEqual([line, 0, false]);
    }
  });
});
