/** All commands of the shell, loaded. */
import { commands } from '../commands/registry.gen.ts';
import type { Command } from '../model/command.ts';
import type { Io } from './io.ts';

/**
 * All of ours, and those of the plugins.
 * @throws UsageError when a plugin cannot be taken
 */
export async function loadCommands(plugins: readonly string[] = [], io?: Io): Promise<readonly Command[]> {
  const loaded = await Promise.all(Object.values(commands).map((load) => load()));
  const own = loaded.map((module) => module.default);
  if (plugins.length === 0 || io === undefined) return own;
  const { loadPlugins } = await import('./plugins.ts');
  const added = await loadPlugins(plugins, new Set(own.map(({ name }) => name)), io);
  return [...own, ...added.commands].sort((a, b) => (a.name < b.name ? -1 : 1));
}
