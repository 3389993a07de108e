/** What a session starts with: the aliases of crash, decimal numbers, no task chosen yet. */
import type { Command, Session } from '../model/command.ts';

/** As in crash; those of commands (`?`, `man`, `px` ...) come from the commands. */
const ALIASES: readonly (readonly [string, string])[] = [
  ['hex', 'set radix 16'],
  ['dec', 'set radix 10'],
  ['sf', 'set scroll off'],
  ['sn', 'set scroll on'],
];

export function makeSession(commands: readonly Command[], dumpPaths: readonly string[]): Session {
  const aliases = builtinAliases(commands);
  return {
    currentTask: undefined,
    radix: 10,
    printMax: 256,
    scroll: true,
    active: new Map(),
    aliases,
    commands: [...commands].sort((a, b) => (a.name < b.name ? -1 : 1)),
    dumpPaths,
  };
}

/** Words and what they stand for, before anybody makes more. */
export function builtinAliases(commands: readonly Command[]): Map<string, string> {
  const aliases = new Map(ALIASES);
  for (const command of commands) {
    for (const alias of command.aliases ?? []) {
      if (typeof alias === 'string') aliases.set(alias, command.name);
      else aliases.set(alias[0], alias[1]);
    }
  }
  return aliases;
}
