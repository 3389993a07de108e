/**
 * What a plugin imports as 'kwhy': the library, and what commands and detectors are made with. A file given with `--plugin`
 * gets the very modules of the running program, wherever the file lies; for types, this is the package's export 'kwhy/plugin'.
 */
export * from './index.ts';
export {
  type ArgumentKind,
  type Command,
  type CommandArgument,
  type CommandArguments,
  type CommandContext,
  type CommandOption,
  defineCommand,
} from './model/command.ts';
export { type AnyDetector, type Coverage, defineDetector, defineFact, needsTypes } from './model/diagnosis.ts';
export type { Finding } from './model/finding.ts';
export { type Cell, type Column, type Shape, shown, type TextLine } from './model/shape.ts';
export { address, byteCount, name, plural, prose, symbol, type Prose, type Value } from './model/value.ts';
export { clockFact } from './diagnosis/facts/clock.ts';
export { logFact } from './diagnosis/facts/log.ts';
export { memcgsFact } from './diagnosis/facts/memcgs.ts';
export { stacksFact } from './diagnosis/facts/stacks.ts';
export { systemFact } from './diagnosis/facts/system.ts';
export { tasksFact, type TaskTable } from './diagnosis/facts/tasks.ts';
export { waitGraphFact } from './diagnosis/facts/wait-graph.ts';
export { addressArgument } from './shell/expression.ts';
export { currentTask, taskArguments } from './shell/tasks.ts';
