/** Runs lines of the shell on a dump, as `kwhy run` does but without a process: what is shown, and what was missing. */
import { unlimited } from '../../src/base/budget.ts';
import type { Command, Session } from '../../src/model/command.ts';
import { openProgram } from '../../src/program/open.ts';
import type { Program } from '../../src/program/program.ts';
import { type JsonValue } from '../../src/render/json.ts';
import { encodeShape } from '../../src/render/shape-json.ts';
import { shapeChunks } from '../../src/render/shape-text.ts';
import { Console } from '../../src/shell/execute.ts';
import { parseLine } from '../../src/shell/line.ts';
import { makeSession } from '../../src/shell/session.ts';
import { SAMPLE } from './sample.ts';

export interface Shown {
  readonly text: string;
  readonly lines: readonly string[];
  readonly problems: readonly string[];
  readonly failures: readonly string[];
}

export interface CommandRunner {
  readonly program: Program;
  readonly session: Session;
  readonly run: (line: string) => Shown;
  readonly json: (line: string) => JsonValue;
}

/** @param program - the sample unless a test has its own */
export function commandRunner(commands: readonly Command[], program: Program = openProgram(SAMPLE)): CommandRunner {
  const session = makeSession(commands, ['vmcore']);
  const console = new Console(program, session);
  const start = (line: string) => console.run(parseLine(line)?.words ?? [], unlimited);
  return {
    program,
    session,
    run(line) {
      const answer = start(line);
      let text = '';
      try {
        if (answer.shape !== undefined) for (const chunk of shapeChunks(answer.shape, { colour: false })) text += chunk;
      } catch (error) {
        answer.failed(error);
      }
      answer.finish();
      const lines = text.split('\n').slice(0, -1);
      return { text, lines, problems: [...answer.notes.problems], failures: [...answer.notes.failures] };
    },
    json(line) {
      const answer = start(line);
      return answer.shape === undefined ? null : encodeShape(answer.shape);
    },
  };
}
