/** The tables of open files of all tasks, each read once for whoever asks what a task has open. */
import { type DescriptorTables, descriptorTables } from '../../kernel/files.ts';
import { defineFact } from '../../model/diagnosis.ts';
import { tasksFact } from './tasks.ts';

/** Of idle tasks and kernel threads as well, which share one that is empty. */
export const descriptorsFact = defineFact<DescriptorTables>({
  id: 'descriptors',
  derive: ({ program, use }) =>
    descriptorTables(
      program,
      use(tasksFact).tasks.map((task) => task.address),
    ),
});
