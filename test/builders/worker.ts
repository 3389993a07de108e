/**
 * A worker thread for tests: opens the program of a descriptor, and answers with its tasks, or works without end until
 * the shared word in `stop` is set and answers with what ended it.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { budgetOf, type ProgramDescriptor, readTasks, reopenProgram } from '../../src/index.ts';

export interface WorkerData {
  readonly descriptor: ProgramDescriptor;
  readonly stop?: Int32Array;
}

export interface Answer {
  readonly tasks?: readonly string[];
  readonly ended?: string;
}

const { descriptor, stop } = workerData as WorkerData;
const answer = (message: Answer | 'working'): void => parentPort?.postMessage(message);

try {
  const program = reopenProgram(descriptor, stop === undefined ? {} : { budget: budgetOf({ flag: stop }) });
  if (stop !== undefined) {
    answer('working');
    for (;;) readTasks(program);
  }
  answer({ tasks: readTasks(program).tasks.map(({ pid, comm }) => `${pid} ${comm}`) });
  program.close();
} catch (error) {
  answer({ ended: error instanceof Error ? `${error.name}: ${error.message}` : String(error) });
}
