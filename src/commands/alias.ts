/** `alias`: words of one's own for lines, for this session; .kwhyrc makes them last. */
import { UsageError } from '../base/errors.ts';
import { defineCommand } from '../model/command.ts';
import { builtinAliases } from '../shell/session.ts';

export default defineCommand({
  name: 'alias',
  summary: 'words of your own for lines',
  options: [],
  arguments: [
    { name: 'word', kinds: ['text'], optional: true },
    { name: 'line', kinds: ['command'], optional: true, repeated: true },
  ],
  optionsFirst: true,
  examples: [
    { line: 'alias', what: 'all of them' },
    { line: 'alias un "ps | grep UN"', what: 'un lists tasks in uninterruptible sleep' },
    { line: 'alias un ""', what: 'removes it' },
  ],
  run({ session }, { positionals }) {
    const [word, ...line] = positionals;
    if (word !== undefined && line.length > 0) {
      const text = line.join(' ').trim();
      if (!/^[^\s|<>!#'"]+$/.test(word)) throw new UsageError(`'${word}' cannot be a word for a line`);
      if (session.commands.some(({ name }) => name === word)) throw new UsageError(`${word} is a command already`);
      if (text === '') session.aliases.delete(word);
      else session.aliases.set(word, text);
      return { shape: 'text', lines: [] };
    }
    const shown = [...session.aliases].filter(([each]) => word === undefined || each === word);
    if (word !== undefined && shown.length === 0) throw new UsageError(`no alias '${word}'`);
    const builtin = builtinAliases(session.commands);
    return {
      shape: 'table',
      columns: [
        { key: 'origin', label: 'ORIGIN', align: 'left', width: 7 },
        { key: 'alias', label: 'ALIAS', align: 'left', width: 7 },
        { key: 'line', label: 'COMMAND', align: 'left' },
      ],
      rows: shown.map(([each, text]) => [
        builtin.get(each) === text ? 'builtin' : 'session',
        { kind: 'command', value: each },
        { kind: 'command', value: text },
      ]),
    };
  },
});
