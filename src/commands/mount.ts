/** `mount`: the mounts of a namespace. */
import { parseAddress } from '../base/address.ts';
import { UsageError } from '../base/errors.ts';
import { initMountNamespace, type Mount, mountsOf, taskMountNamespace } from '../kernel/mount.ts';
import { type CommandContext, defineCommand } from '../model/command.ts';
import type { TextLine } from '../model/shape.ts';
import { address, name } from '../model/value.ts';
import { hex16 } from '../shell/format.ts';
import { oneTask } from '../shell/tasks.ts';

export default defineCommand({
  name: 'mount',
  summary: 'mounted file systems',
  options: [{ flag: 'n', value: 'pid | task', kind: 'task', summary: 'as this task sees them, in its namespace' }],
  arguments: [
    { name: 'address | type | device | directory', kinds: ['address', 'text'], optional: true, repeated: true },
  ],
  examples: [
    { line: 'mount', what: 'those of the machine: of its first task' },
    { line: 'mount tmpfs', what: 'those of one type' },
    { line: 'mount -n 96', what: 'in the namespace of a task, such as one in a container' },
  ],
  run(context, args) {
    const { mounts, problems } = mountsOf(context.program, namespaceOf(context, args.value('n')));
    for (const problem of problems) context.problem(`mounts: ${problem}`);
    const wanted = args.positionals;
    const chosen = wanted.length === 0 ? mounts : mounts.filter((mount) => wanted.some((text) => isMeant(mount, text)));
    for (const text of wanted)
      if (!mounts.some((mount) => isMeant(mount, text))) context.failure(`nothing is mounted as '${text}'`);
    return {
      shape: 'lines',
      lines: [
        [{ text: '     MOUNT           SUPERBLK     TYPE   DEVNAME   DIRNAME', style: 'heading' }],
        ...chosen.map(line),
      ],
      data: () =>
        chosen.map((mount) => ({
          mount: address(mount.mount),
          super_block: address(mount.superBlock),
          type: mount.fsType,
          device: mount.device === undefined ? undefined : name(mount.device),
          directory: name(mount.directory),
        })),
    };
  },
});

function namespaceOf(context: CommandContext, task: string | undefined): ReturnType<typeof initMountNamespace> {
  if (task === undefined) return initMountNamespace(context.program);
  const { address: at, comm, pid } = oneTask(context, task, task);
  const namespace = taskMountNamespace(context.program, at);
  if (namespace === undefined) throw new UsageError(`${comm} (pid ${pid}) has exited and has no namespaces`);
  return namespace;
}

function isMeant({ mount, superBlock, device, fsType, directory }: Mount, text: string): boolean {
  const at = parseAddress(text);
  return (
    text === device || text === fsType || text === directory || (at !== undefined && [mount, superBlock].includes(at))
  );
}

/** A long type takes from the room of the device. */
function line({ mount, superBlock, fsType, device, directory }: Mount): TextLine {
  return [
    { text: `${hex16(mount)} ${hex16(superBlock)}`, style: 'address' },
    ' ',
    { text: `${fsType.padEnd(6)} ${device ?? 'none'}`.padEnd(16), style: 'name' },
    ' ',
    { text: directory, style: 'name' },
  ];
}
