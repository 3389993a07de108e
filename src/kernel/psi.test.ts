import { describe, expect, it } from 'vitest';
import { KernelImage } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { ValidationError } from '../base/errors.ts';
import { pressure, type Stall, stallOf } from './psi.ts';

const STATES = ['PSI_IO_SOME', 'PSI_IO_FULL', 'PSI_MEM_SOME', 'PSI_MEM_FULL', 'PSI_CPU_SOME', 'PSI_CPU_FULL'];

function image(): KernelImage {
  const built = new KernelImage();
  built.enum('psi_states', STATES);
  // The kernel's avg[6][3] and total[2][6].
  built.struct('psi_group', { avg_last_update: 'u64', total: 'u64[12]', avg: 'unsigned long[18]' });
  built.global('psi_system', 'struct psi_group', {
    avg_last_update: 18_000_000_000n,
    'total[2]': 5_000_000_000n,
    'total[4]': 3_000_000n,
    'total[8]': 99,
    'avg[6]': Math.round(36.13 * 2048),
    'avg[7]': Math.round(9.35 * 2048),
    'avg[8]': Math.round(2.08 * 2048),
    'avg[12]': Math.round(100 * 2048),
    'avg[15]': Math.round(77 * 2048),
  });
  return built;
}

it('reads shares of the last 10, 60 and 300 seconds', () => {
  const state = pressure(programOfImage(image()));
  expect(state?.updated).toBe(18_000_000_000n);
  expect(state?.pressures.map(({ of, kind }) => `${of} ${kind}`)).toEqual([
    'memory some',
    'memory full',
    'io some',
    'io full',
    'cpu some',
  ]);
  const [memory, , , , cpu] = state?.pressures ?? [];
  expect(memory?.averages.map((share) => share.toFixed(4))).toEqual(['0.3613', '0.0935', '0.0208']);
  expect([memory?.total, cpu?.total]).toEqual([5_000_000_000n, 3_000_000n]);
  expect(cpu?.averages).toEqual([1, 0, 0]);
});

it('is none where the kernel does not account it', () => {
  expect(pressure(programOfImage(new KernelImage()))).toBeUndefined();
  const off = image();
  off.global('psi_disabled', 'int', 1);
  expect(pressure(programOfImage(off))).toBeUndefined();
  const on = image();
  on.global('psi_disabled', 'int', 0);
  // The same as where there is no such switch.
  expect(pressure(programOfImage(on))).toEqual(pressure(programOfImage(image())));
  expect(pressure(programOfImage(on))?.pressures).toHaveLength(5);
});

it('refuses an average that is no share', () => {
  const built = image();
  built.write('psi_system.avg[6]', 2n ** 60n);
  expect(() => pressure(programOfImage(built))).toThrow(ValidationError);
});

describe('what a task waits for', () => {
  function stall(flags: number, { off = false, accounts = true } = {}): Stall | undefined {
    const built = image();
    built.enum('psi_task_count', ['NR_IOWAIT', 'NR_MEMSTALL', 'NR_RUNNING']);
    built.struct('task_struct', { pid: 'int', ...(accounts ? { psi_flags: 'unsigned int' } : {}) });
    built.place('task', 'struct task_struct', accounts ? { psi_flags: flags } : {});
    if (off) built.global('psi_disabled', 'int', 1);
    return stallOf(programOfImage(built), built.address('task'));
  }

  it('is told by its flags', () => {
    expect(stall(0b010)).toEqual({ memory: true, io: false });
    expect(stall(0b011)).toEqual({ memory: true, io: true });
    expect(stall(0b101)).toEqual({ memory: false, io: true });
    expect(stall(0b100)).toEqual({ memory: false, io: false });
  });

  it('is not known where the kernel does not account it', () => {
    expect(stall(0b010, { off: true })).toBeUndefined();
    expect(stall(0, { accounts: false })).toBeUndefined();
  });
});
