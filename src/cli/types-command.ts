/** `kwhy types VMLINUX [MODULE...] -o FILE`: a type pack, to be given in place of the vmlinux. */
import { UsageError } from '../base/errors.ts';
import { ArgumentsError, type OptionSpecs, parseArguments } from './arguments.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import type { Io } from './io.ts';
import { systemReason } from './system-error.ts';

const specs: OptionSpecs = {
  output: { takesValue: true, short: 'o' },
  force: { takesValue: false, short: 'f' },
  help: { takesValue: false, short: 'h' },
};

const USAGE = 'usage: kwhy types VMLINUX [MODULE...] -o FILE';

export async function typesCommand(argv: readonly string[], io: Io): Promise<ExitStatus> {
  const { options, positionals } = parseArguments(argv, specs);
  if (options.has('help')) {
    const { typesHelpText } = await import('./help.ts');
    await io.stdout.write(typesHelpText);
    return EXIT.complete;
  }
  const [path, ...modules] = positionals;
  const output = options.get('output');
  if (path === undefined || positionals.includes('')) throw new ArgumentsError(`which vmlinux? ${USAGE}`);
  if (typeof output !== 'string') throw new ArgumentsError(`where to? ${USAGE}`);
  const [{ openDebugFile }, { openModuleTypes }, { packTypes }, { createFile }] = await Promise.all([
    import('../program/debug-file.ts'),
    import('../program/module-types.ts'),
    import('../program/type-pack.ts'),
    import('../dump/new-file.ts'),
  ]);
  try {
    const bytes = io.guard(() => {
      const open: { close(): void }[] = [];
      const kept = <T extends { close(): void }>(file: T): T => {
        open.push(file);
        return file;
      };
      try {
        const kernel = kept(openDebugFile(path));
        return packTypes(
          kernel,
          modules.map((module) => kept(openModuleTypes(module)).types),
        );
      } finally {
        for (const file of open) file.close();
      }
    }, undefined);
    createFile(output, { input: path, replace: options.has('force') }, (file) => {
      const out = file.from(0);
      out.append(bytes);
      out.flush();
    });
    await io.stdout.write(`${output}: ${bytes.length} bytes\n`);
    return EXIT.complete;
  } catch (error) {
    const reason = systemReason(error);
    throw reason === undefined ? error : new UsageError(`${path}: ${reason}`, { cause: error });
  }
}
