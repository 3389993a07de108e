import { expect, it } from 'vitest';
import { OTHER_TOOLS } from '../shell/other-tools.ts';
import { loadCommands } from './commands.ts';

it('how knows of every command what one types elsewhere, and of no others', async () => {
  const names = (await loadCommands()).map(({ name }) => name);
  expect(Object.keys(OTHER_TOOLS).sort()).toEqual([...names].sort());
});
