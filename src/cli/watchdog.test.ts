import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const program = fileURLToPath(new URL('../../test/builders/planted-process.ts', import.meta.url));
const run = promisify(execFile);

test.each([
  ['throws', 'failed', /^internal error: x is undefined$/],
  ['loops', 'out-of-time', /^ended: it ran for more than 2 s$/],
  ['allocates', 'failed', /^ended: it took more than 200 MiB of memory$/],
])(
  'a detector that %s without end is reported, and what the others found stands',
  async (kind, status, reason) => {
    const { stdout } = await run(process.execPath, [program, kind]);
    const { checks, causes } = JSON.parse(stdout) as {
      readonly checks: readonly { readonly detector: string; readonly status: string; readonly reason?: string }[];
      readonly causes: readonly string[];
    };
    expect(checks.map(({ detector, status: found }) => [detector, found])).toEqual([
      ['before', 'spoke'],
      ['bad', status],
      ['after', 'spoke'],
    ]);
    expect(checks[1]?.reason).toMatch(reason);
    expect(causes).toEqual(['before', 'after']);
  },
  120_000,
);
