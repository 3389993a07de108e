/**
 * `--plugin FILE`: commands and detectors of the user's own, in the one-file form of ours. Such a file is a program: it runs
 * with the rights of whoever runs kwhy, and a line on standard error says so each time. What it imports as 'kwhy' are the very
 * modules that run, so that facts are shared and errors known; where the file lies does not matter.
 */
import { existsSync } from 'node:fs';
import { createRequire, registerHooks } from 'node:module';
import { resolve } from 'node:path';
import { UsageError } from '../base/errors.ts';
import type { Command } from '../model/command.ts';
import type { AnyDetector } from '../model/diagnosis.ts';
import type { Io } from './io.ts';

/** A plugin names the version that it was written for: `export const kwhyPlugin = 1`. Raised when old ones would break. */
export const PLUGIN_VERSION = 1;

/** More are no plugins but a mistake. */
const MAX_PARTS = 256;

export interface Plugins {
  readonly commands: readonly Command[];
  readonly detectors: readonly AnyDetector[];
}

export const NO_PLUGINS: Plugins = { commands: [], detectors: [] };

/**
 * Runs the files and takes what they export.
 * @param taken - what there is already: 'ps', 'detector lock-pileup'
 * @throws UsageError that names the file and what is wrong with it
 */
export async function loadPlugins(paths: readonly string[], taken: ReadonlySet<string>, io: Io): Promise<Plugins> {
  if (paths.length === 0) return NO_PLUGINS;
  await offerLibrary();
  const names = new Set(taken);
  const commands: Command[] = [];
  const detectors: AnyDetector[] = [];
  for (const path of paths) {
    if (!existsSync(path)) throw new UsageError(`--plugin ${path}: no such file`);
    await io.stderr.write(
      `kwhy: warning: ${path} is a program, and runs with your rights: it can read, change and send whatever you can\n`,
    );
    for (const part of partsOf(path, run(path))) {
      // A command and a detector may share a name.
      const name = isCommand(part) ? part.name : `detector ${part.id}`;
      if (names.has(name)) throw new UsageError(`--plugin ${path}: there is a '${name}' already`);
      names.add(name);
      if (isCommand(part)) commands.push(part);
      else detectors.push(part);
    }
  }
  return { commands, detectors };
}

/** The same for a report, to which detectors matter alone. @throws UsageError */
export async function loadReportPlugins(paths: readonly string[], io: Io): Promise<Plugins> {
  const { detectors } = await import('../diagnosis/detectors/registry.gen.ts');
  return loadPlugins(paths, new Set(detectors.map(({ id }) => `detector ${id}`)), io);
}

/** With require(), which takes modules too: import() inside the one script of dist/ makes Node warn of itself. */
function run(path: string): Readonly<Record<string, unknown>> {
  const require = createRequire(import.meta.url);
  try {
    return require(resolve(path)) as Readonly<Record<string, unknown>>;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`--plugin ${path}: ${reason.split('\n')[0] ?? ''}`, { cause: error });
  }
}

type Part = Command | AnyDetector;

function isCommand(part: Part): part is Command {
  return 'run' in part && 'arguments' in part;
}

/** What a module exports as its default: one command or detector, or a list of them. @throws UsageError */
function partsOf(path: string, module: Readonly<Record<string, unknown>>): readonly Part[] {
  const { kwhyPlugin: version, default: content } = module;
  const wrong = (what: string): UsageError => new UsageError(`--plugin ${path}: ${what}`);
  if (version === undefined) throw wrong(`is no plugin: it must say \`export const kwhyPlugin = ${PLUGIN_VERSION}\``);
  if (version !== PLUGIN_VERSION)
    throw wrong(
      `was made for version ${JSON.stringify(version)} of plugins, and this kwhy takes version ${PLUGIN_VERSION}`,
    );
  const parts: readonly unknown[] = Array.isArray(content) ? content : [content];
  if (parts.length > MAX_PARTS) throw wrong(`has more than ${MAX_PARTS} commands and detectors`);
  return parts.map((part, i): Part => {
    const problem = objection(part);
    if (problem !== undefined) throw wrong(`its ${parts.length === 1 ? 'default export' : `part ${i + 1}`} ${problem}`);
    return part as Part;
  });
}

/** Why something is neither a command nor a detector. */
function objection(part: unknown): string | undefined {
  if (typeof part !== 'object' || part === null) return 'is neither a command nor a detector';
  const has = (key: string, type: string): boolean => typeof Reflect.get(part, key) === type;
  const hasList = (key: string): boolean => Array.isArray(Reflect.get(part, key));
  if (has('runWith', 'function')) {
    if (!has('id', 'string') || !has('title', 'string') || !has('appliesTo', 'function'))
      return 'is a detector without id, title or appliesTo: make it with defineDetector';
    return undefined;
  }
  if (!has('run', 'function'))
    return 'is neither a command nor a detector: make it with defineCommand or defineDetector';
  const name: unknown = Reflect.get(part, 'name');
  if (typeof name !== 'string' || !/^[a-z][a-z0-9-]*$/.test(name)) return "has no name: letters, digits and '-'";
  const missing = ['options', 'arguments', 'examples'].filter((key) => !hasList(key));
  if (!has('summary', 'string')) missing.push('summary');
  return missing.length === 0 ? undefined : `(${name}) has no ${missing.join(', no ')}`;
}

const PLACE = Symbol.for('kwhy.library');
const MODULE = 'kwhy:library';

/** Makes 'kwhy' and 'kwhy/plugin' the library of the running program, whoever imports them. Once a process. */
async function offerLibrary(): Promise<void> {
  if (Reflect.has(globalThis, PLACE)) return;
  const library = await import('../plugin.ts');
  Reflect.set(globalThis, PLACE, library);
  const names = Object.keys(library).filter((name) => /^[A-Za-z_$][\w$]*$/.test(name) && name !== 'default');
  const source = [
    "const library = globalThis[Symbol.for('kwhy.library')];",
    ...names.map((name) => `export const ${name} = library.${name};`),
  ].join('\n');
  registerHooks({
    resolve(specifier, context, next) {
      if (specifier !== 'kwhy' && specifier !== 'kwhy/plugin') return next(specifier, context);
      return { url: MODULE, format: 'module', shortCircuit: true };
    },
    load(url, context, next) {
      if (url !== MODULE) return next(url, context);
      return { format: 'module', source, shortCircuit: true };
    },
  });
}
