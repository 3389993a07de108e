import { beforeAll, describe, expect, it } from 'vitest';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { SAMPLE } from '../../test/builders/sample.ts';
import { inferMembers } from './inferred-members.ts';
import { inferTypes } from './inferred-types.ts';
import { openProgram } from './open.ts';
import type { Program } from './program.ts';

describe('the members of task_struct in a real kernel', () => {
  let program: Program;
  beforeAll(() => {
    program = openProgram(SAMPLE);
    return () => program.close();
  });

  it('are found where its types say that they are', () => {
    const found = inferMembers(program);
    const truth = (type: string, path: string): number => program.field(`struct ${type}`, path).offset;
    expect(found?.members).toEqual(
      Object.fromEntries(Object.keys(found?.members ?? {}).map((name) => [name, truth('task_struct', name)])),
    );
    expect(Object.keys(found?.members ?? {})).toHaveLength(13);
    expect([found?.sp, found?.threadHead]).toEqual([
      truth('task_struct', 'thread.sp'),
      truth('signal_struct', 'thread_head'),
    ]);
    expect(found?.runQueue).toEqual({ curr: truth('rq', 'curr'), idle: truth('rq', 'idle') });
  });

  it('are types like any other, marked as guessed', () => {
    const types = inferTypes(program);
    expect(types?.inferred).toBe(true);
    expect(types?.find('struct', 'task_struct')[0]?.kind).toBe('struct');
    expect(types?.find('int', 'unsigned int')).toHaveLength(1);
    expect([types?.find('struct', 'mutex'), types?.find('enum', 'zone_type'), types?.enumerator('x')]).toEqual([
      [],
      [],
      undefined,
    ]);
    expect(program.layouts.unproven.map(({ part }) => part)).toEqual(['struct task_struct']);
  });
});

describe('memory that holds no tasks', () => {
  /** Two tasks on a list, with names, and little else. */
  function image(): KernelImage {
    const made = new KernelImage();
    made.struct('task_struct', {
      tasks: 'struct list_head',
      pid: 'int',
      tgid: 'int',
      comm: 'char[16]',
      rest: 'char[600]',
    });
    made.global('init_task', 'struct task_struct', { comm: 'swapper/0' });
    made.place('init', 'struct task_struct', { comm: 'init', pid: 1, tgid: 1 });
    made.list('init_task.tasks', ['init.tasks']);
    return made;
  }

  it('gives none, and ends', () => {
    const cases: ((made: KernelImage) => void)[] = [
      () => {},
      (made) => made.write('init_task.comm', 'strange'),
      (made) => made.write('init_task.tasks.next', ref('init_task.tasks')),
      (made) => made.write('init.tasks.next', ref('init.tasks')),
      (made) => made.write('init.comm', '\x01\x02'),
      (made) => made.write('init.tasks.next', 0xdead000000000100n),
    ];
    for (const change of cases) {
      const made = image();
      change(made);
      expect(inferTypes(programOfImage(made))).toBeUndefined();
    }
    expect(inferTypes(programOfImage(new KernelImage()))).toBeUndefined();
    const lost = new KernelImage();
    lost.struct('task_struct', { comm: 'char[16]' });
    lost.global('init_task', 'struct task_struct', {}, { page: 'lost' });
    expect(inferTypes(programOfImage(lost))).toBeUndefined();
  });
});
