import { expect, it } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import { UsageError } from '../base/errors.ts';
import { defineCommand } from '../model/command.ts';
import { residentViews } from './mem-resident.ts';

const mem = defineCommand({
  name: 'mem',
  summary: 'the views',
  options: [{ flag: '-by', value: 'what', summary: 'a view' }],
  arguments: [],
  examples: [{ line: 'mem --by process', what: 'one of them' }],
  run(context, args) {
    const view = residentViews.find(({ key }) => key === args.value('-by'));
    if (view === undefined) throw new UsageError('no such view');
    return view.run(context, false);
  },
});

it('has a view of each kind, and says where page tables are not in the dump', () => {
  // The sample keeps what the report reads, and that has no page tables of programs.
  const { run } = commandRunner([mem]);
  for (const by of ['process', 'command', 'launcher', 'cgroup', 'user']) {
    const { lines, problems, failures } = run(`mem --by ${by}`);
    expect(failures).toEqual([]);
    expect(lines[0]).toMatch(/^ *PSS +USS +RSS +SWAP +TABLES/);
    expect(lines.at(-1)).toBe(
      '0 programs have 0 B resident, each page once; the sum of their RSS is 0 B; the page tables of 109 more could not be read.',
    );
    expect(problems.join(' ')).toContain('the page tables of 109 programs could not be read');
  }
});
