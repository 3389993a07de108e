import { expect, it } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import { ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { taskGroups } from '../../test/builders/task-groups.ts';
import { readRunQueue } from '../kernel/run-queue.ts';
import { defineCommand } from '../model/command.ts';
import { groupView } from './task-group-view.ts';

const view = defineCommand({
  name: 'view',
  summary: '',
  options: [],
  arguments: [],
  examples: [{ line: 'view', what: '' }],
  run: (context) =>
    groupView(context, [readRunQueue(context.program, 0)], {
      text: (task) => task.toString(16),
      priority: () => '[120]',
      data: (task) => task.toString(16),
    }),
});

it('groups in the way of crash, and as data', () => {
  const image = taskGroups();
  // A group of a session has no cgroup, but a number.
  image.place('session', 'struct autogroup', { id: 12 });
  image.write('web.css.cgroup', 0);
  image.write('web.autogroup', ref('session'));
  const { run, json } = commandRunner([view], programOfImage(image));
  const hex = (path: string): string => image.address(path).toString(16);
  expect(run('view')).toMatchObject({
    problems: [],
    lines: [
      'CPU 0',
      `  CURRENT: ${hex('a')}`,
      `  ROOT_TASK_GROUP: ${hex('root_task_group')}  CFS_RQ: ${hex('runqueues@0.cfs')}`,
      `     TASK_GROUP: ${hex('web')}  CFS_RQ: ${hex('web queue')}  <autogroup-12>`,
      `        [120] ${hex('a')} [CURRENT]`,
      `        [120] ${hex('b')}`,
      `     TASK_GROUP: ${hex('batch')}  CFS_RQ: ${hex('batch queue')}  <batch> (THROTTLED)`,
      `        [120] ${hex('c')}`,
    ],
  });
  expect(json('view')).toMatchObject({
    data: [
      {
        fair: {
          entries: [
            { group: { name: 'autogroup-12', entries: [{ task: hex('a'), running: true }, { running: false }] } },
            { group: { name: 'batch', throttled: true, entries: [{ task: hex('c') }] } },
          ],
        },
      },
    ],
  });
});

it('a queue that cannot be read is told, the rest is shown', () => {
  const image = taskGroups();
  image.write('web queue.curr', ref('web entity'));
  const { run } = commandRunner([view], programOfImage(image));
  const { lines, problems } = run('view');
  expect(lines).toHaveLength(2);
  expect(problems).toEqual([expect.stringMatching(/^run queue of CPU 0: .*do not end/)]);
});
