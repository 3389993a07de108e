import { describe, expect, it } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import { Incident } from '../../test/builders/incident.ts';
import type { KernelImage } from '../../test/builders/image.ts';
import oom from './oom.ts';

/** java is largest and exempt, mysqld next; sshd small. */
function machine(change: (image: KernelImage) => void = () => {}) {
  const incident = new Incident();
  incident.task('java', { pid: 50 });
  incident.task('mysqld', { pid: 60 });
  incident.task('sshd\u001b[2J', { pid: 70, state: 'D' });
  return commandRunner(
    [oom],
    incident.program((image) => {
      image.write('mm50.rss_stat.count[1]', 50_000);
      image.write('signal50.oom_score_adj', -1000);
      image.write('mm60.rss_stat.count[1]', 30_000);
      image.write('mm70.rss_stat.count[1]', 500);
      change(image);
    }),
  );
}

/** Cells of the rows of the table of processes. */
function rows(lines: readonly string[]): readonly (readonly string[])[] {
  const head = lines.findIndex((line) => /^ *PID +TASK/.test(line));
  const end = lines.findIndex((line, i) => i > head && line.trim() === '');
  return lines.slice(head + 1, end).map((line) => line.trim().split(/  +/));
}

describe('oom', () => {
  it('names the next choice, and shows who is protected where its size puts it', () => {
    const { lines, problems } = machine().run('oom');
    // The image has no log.
    expect(problems.filter((problem) => !problem.includes('log_buf'))).toEqual([]);
    expect(lines[0]).toMatch(/^Next choice: mysqld \(pid 60\), 117 MiB, oom_score_adj 0\.$/);
    const table = rows(lines);
    expect(table.map((row) => [row[0], row.at(-1)])).toEqual([
      ['50', 'java'],
      ['60', 'mysqld'],
      ['70', String.raw`sshd\x1b[2J`],
      ['1', 'init'],
    ]);
    expect(table[0]).toContain('oom_score_adj -1000');
    expect(table[1]).toContain('30000');
    expect(table[3]?.at(-2)).toBe('init');
  });

  it('says that an earlier victim is waited for', () => {
    const { lines } = machine((image) => image.write('signal70.oom_mm', image.address('mm70'))).run('oom');
    expect(lines[0]).toMatch(/^The killer waits for sshd.* \(pid 70\), which it chose before \(state D\)/);
  });

  it('a process that cannot be read makes the answer partial', () => {
    const { problems } = machine((image) => image.write('task60.signal', 0xffff880000000000n)).run('oom');
    expect(problems.join(' ')).toContain('the next choice may be another');
  });

  it('gives numbers to machines, and refuses what it does not know', () => {
    const { json, run } = machine();
    expect(JSON.stringify(json('oom -n 2'))).toContain('30000');
    expect(run('oom 12').failures).toEqual(["oom: '12': oom takes no arguments"]);
    expect(run('oom -n x').failures[0]).toContain("oom -n 'x'");
  });

  it('on a machine that is not short: no reports, and the largest process would be next', () => {
    const { lines } = commandRunner([oom]).run('oom');
    expect(lines[0]).toMatch(/^Next choice: mysqld/);
    expect(lines.at(-1)).toBe('0 reports of the OOM killer and 0 failed allocations in the log');
  });
});
