import { describe, expect, it } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import { Incident } from '../../test/builders/incident.ts';
import pressure from './pressure.ts';

describe('pressure', () => {
  // The guest's own numbers, recorded just before its dump: DMA32 had min 2028 kB and 60 % of memory free.
  it('has the zones with their watermarks, the shares of PSI and the threads that free memory', () => {
    const { lines, failures } = commandRunner([pressure]).run('pressure');
    expect(failures).toEqual([]);
    const zone = lines.find((line) => line.includes(' DMA32 ')) ?? '';
    expect(zone).not.toContain('below');
    expect(lines.join('\n')).toMatch(/memory +some task/);
    expect(lines.filter((line) => /kswapd0|kcompactd0|oom_reaper|khugepaged/.test(line)).length).toBeGreaterThanOrEqual(
      3,
    );
    expect(lines.join('\n')).toMatch(/vm\.min_free_kbytes: .* of memory; .* would be 1 %/);
  });

  it('shows who has to reclaim for himself', () => {
    const incident = new Incident();
    incident.task('cc1', {
      pid: 50,
      state: 'D',
      stack: ['io_schedule', 'shrink_node', 'do_try_to_free_pages', 'main'],
    });
    incident.task('sshd', { pid: 60 });
    const { lines } = commandRunner([pressure], incident.program()).run('pressure');
    expect(lines.filter((line) => line.includes('cc1')).map((line) => line.trim().split(/ +/))).toEqual([
      ['50', expect.any(String), 'D', 'cc1', 'shrink_node'],
    ]);
    expect(lines.join('\n')).toContain('keeps no account of pressure');
    expect(lines.join('\n')).not.toContain('sshd');
  });

  it('refuses arguments', () => {
    expect(commandRunner([pressure]).run('pressure now').failures).toEqual([
      "pressure: 'now': pressure takes no arguments",
    ]);
  });
});
