import { expect, it } from 'vitest';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { FaultError } from '../base/errors.ts';
import { oomScoreAdj } from './oom.ts';

function image(): KernelImage {
  const built = new KernelImage();
  built.struct('signal_struct', { nr_threads: 'int', oom_score_adj: 'short' });
  built.struct('task_struct', { pid: 'pid_t', signal: 'struct signal_struct *' });
  built.place('signal', 'struct signal_struct', { oom_score_adj: -1000 });
  built.place('task', 'struct task_struct', { signal: ref('signal') });
  return built;
}

it('is signed', () => {
  const built = image();
  expect(oomScoreAdj(programOfImage(built), built.address('task'))).toBe(-1000);
});

it('is not known of a process whose signal_struct cannot be read', () => {
  const built = image();
  built.write('task.signal', 0xffff888000000000n);
  expect(() => oomScoreAdj(programOfImage(built), built.address('task'))).toThrow(FaultError);
});
