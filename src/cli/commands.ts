/** All commands of the shell, loaded. */
import { commands } from '../commands/registry.gen.ts';
import type { Command } from '../model/command.ts';

export async function loadCommands(): Promise<readonly Command[]> {
  const loaded = await Promise.all(Object.values(commands).map((load) => load()));
  return loaded.map((module) => module.default);
}
