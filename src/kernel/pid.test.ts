import { describe, expect, it } from 'vitest';
import { ref, KernelImage } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { FaultError } from '../base/errors.ts';
import { jobIds, type JobIds, tasksByPid } from './pid.ts';

/** Since 4.19 the ids are in signal_struct, before in the task. */
function imageOf(era: '4.19' | '3.10'): KernelImage {
  const today = era === '4.19';
  const image = new KernelImage();
  image.struct('upid', { nr: 'int', ns: 'void *' });
  image.struct('pid', { count: 'int', level: 'unsigned int', numbers: 'struct upid[1]' });
  image.struct('tty_struct', { magic: 'int', name: 'char[64]' });
  image.struct('pid_link', { node: 'struct hlist_node', pid: 'struct pid *' });
  image.struct('signal_struct', {
    nr: 'int',
    ...(today ? { pids: 'struct pid *[4]' } : {}),
    tty: 'struct tty_struct *',
  });
  image.struct('task_struct', {
    pid: 'int',
    signal: 'struct signal_struct *',
    ...(today ? {} : { pids: 'struct pid_link[3]' }),
  });
  const types = today ? ['PIDTYPE_PID', 'PIDTYPE_TGID'] : ['PIDTYPE_PID'];
  image.enum('pid_type', [...types, 'PIDTYPE_PGID', 'PIDTYPE_SID', 'PIDTYPE_MAX']);
  for (const nr of [96, 80, 70]) image.place(`pid ${nr}`, 'struct pid', { numbers: [{ nr }] });
  image.place('tty', 'struct tty_struct', { name: 'pts0' });
  image.place('signal', 'struct signal_struct', { tty: ref('tty') });
  image.place('ps', 'struct task_struct', { pid: 96, signal: ref('signal') });
  const ids = ['pid 96', ...(today ? ['pid 96'] : []), 'pid 80', 'pid 70'];
  for (const [i, label] of ids.entries()) image.write(today ? `signal.pids[${i}]` : `ps.pids[${i}].pid`, ref(label));
  return image;
}

const idsOf = (image: KernelImage): JobIds => jobIds(programOfImage(image), image.address('ps'));

describe('jobIds', () => {
  it.each(['4.19', '3.10'] as const)('are read in the layout of %s', (era) => {
    expect(idsOf(imageOf(era))).toEqual({ processGroup: 80, session: 70, tty: 'pts0' });
  });

  it('of a daemon have no terminal', () => {
    const image = imageOf('4.19');
    image.write('signal.tty', 0);
    expect(idsOf(image).tty).toBeUndefined();
    image.write('signal.tty', ref('tty'));
    image.write('tty.name', '\0\0\0\0');
    expect(idsOf(image).tty).toBeUndefined();
  });

  it('are not made up of what makes no sense', () => {
    const image = imageOf('4.19');
    image.write('signal.pids[2]', 0x4141);
    image.write('pid 70.numbers[0].nr', 0);
    expect(idsOf(image)).toEqual({ processGroup: undefined, session: undefined, tty: 'pts0' });
    image.write('ps.signal', 0);
    expect(idsOf(image)).toEqual({ processGroup: undefined, session: undefined, tty: undefined });
  });

  it('fail with the memory', () => {
    const image = imageOf('4.19');
    image.write('signal.pids[2]', 0xffff900000000000n);
    expect(() => idsOf(image)).toThrow(FaultError);
  });

  it('are not known where the kernel numbers them otherwise', () => {
    const image = new KernelImage();
    image.struct('signal_struct', { tty: 'struct tty_struct *' });
    image.struct('task_struct', { signal: 'struct signal_struct *' });
    image.place('ps', 'struct task_struct');
    expect(idsOf(image)).toEqual({ processGroup: undefined, session: undefined, tty: undefined });
  });
});

describe('tasks by their ids until 4.14', () => {
  /** `pid_hash` of four buckets, as in 2.6.32, 3.10 and 4.4; ids of a container are in it too. */
  function hashed(): KernelImage {
    const image = new KernelImage();
    image.struct('upid', { nr: 'int', ns: 'struct pid_namespace *', pid_chain: 'struct hlist_node' });
    image.struct('pid', {
      count: 'atomic_t',
      level: 'unsigned int',
      tasks: 'struct hlist_head[3]',
      numbers: 'struct upid[2]',
    });
    image.struct('pid_link', { node: 'struct hlist_node', pid: 'struct pid *' });
    image.struct('pid_namespace', { level: 'unsigned int' });
    image.struct('task_struct', { pid: 'int', pids: 'struct pid_link[3]' });
    image.enum('pid_type', ['PIDTYPE_PID', 'PIDTYPE_PGID', 'PIDTYPE_SID', 'PIDTYPE_MAX']);
    image.global('init_pid_ns', 'struct pid_namespace');
    image.place('container', 'struct pid_namespace', { level: 1 });
    image.place('buckets', 'struct hlist_head[4]');
    image.global('pid_hash', 'struct hlist_head *', ref('buckets'));
    image.global('pidhash_shift', 'unsigned int', 2);
    for (const nr of [1, 96, 80]) {
      image.place(`pid ${nr}`, 'struct pid', { numbers: [{ nr, ns: ref('init_pid_ns') }] });
      image.place(`task ${nr}`, 'struct task_struct', { pid: nr, 'pids[0].pid': ref(`pid ${nr}`) });
      image.hlist(`pid ${nr}.tasks[0]`, [`task ${nr}.pids[0].node`]);
    }
    image.write('pid 80.numbers[1]', { nr: 1, ns: ref('container') });
    image.hlist('buckets[0]', ['pid 96.numbers[0].pid_chain', 'pid 80.numbers[1].pid_chain']);
    image.hlist('buckets[3]', ['pid 80.numbers[0].pid_chain', 'pid 1.numbers[0].pid_chain']);
    return image;
  }
  const found = (image: KernelImage): readonly string[] => {
    const program = programOfImage(image);
    return [...tasksByPid(program)].map((task) => `${program.field('struct task_struct', 'pid').number(task)}`);
  };

  it('are found in the hash table, lowest first, and each once', () => {
    expect(found(hashed())).toEqual(['1', '80', '96']);
  });

  it('of a broken bucket are passed over', () => {
    const image = hashed();
    image.write('pid 96.numbers[0].pid_chain.next', 0x4141);
    expect(found(image)).toEqual(['1', '80', '96']);
    image.write('buckets[0].first', 0xffff900000000000n);
    expect(found(image)).toEqual(['1', '80']);
    image.write('task 80.pids[0].pid', 0);
    expect(found(image)).toEqual(['1']);
  });

  it('are not sought in more buckets than a kernel makes', () => {
    const image = hashed();
    image.write('pidhash_shift', 40);
    expect(found(image)).toEqual(['1', '80', '96']);
  });
});
