/** `files`: the open files of tasks, their root and working directory; what one dentry is. */
import { parseAddress, type VirtAddr } from '../base/address.ts';
import { attempt, UsageError } from '../base/errors.ts';
import { dentryInode } from '../kernel/dentry.ts';
import { type OpenFile, openFiles, taskDirectories } from '../kernel/files.ts';
import { pathOfInode, readInode } from '../kernel/inode.ts';
import type { PathText } from '../kernel/path.ts';
import type { Task } from '../kernel/sched.ts';
import { type CommandContext, defineCommand } from '../model/command.ts';
import type { Shape, TextLine } from '../model/shape.ts';
import { address, type Data, name } from '../model/value.ts';
import { hex16 } from '../shell/format.ts';
import { fileType, pathText } from '../shell/file-type.ts';
import { inodePages } from '../shell/inode-pages.ts';
import { perTask, type TaskView } from '../shell/per-task.ts';

const HEADER = ' FD       FILE            DENTRY           INODE       TYPE PATH';
const CACHED = ' FD      INODE          I_MAPPING     NRPAGES TYPE PATH';

export default defineCommand({
  name: 'files',
  summary: 'the open files of tasks',
  description: ["A path ends with ' (deleted)' when the file is no longer in its directory, as in /proc/PID/fd."],
  options: [
    { flag: 'c', summary: 'with the number of pages that the page cache has of each' },
    { flag: 'R', value: 'reference', kind: 'text', summary: 'only this descriptor, address, path, or part of a path' },
    { flag: 'p', value: 'inode', kind: 'address', summary: 'the pages that the page cache has of this inode' },
    { flag: 'd', value: 'dentry', kind: 'address', summary: 'what this dentry stands for' },
  ],
  arguments: [{ name: 'pid | task | command', kinds: ['task'], optional: true, repeated: true }],
  examples: [
    { line: 'files 96', what: 'those of one task' },
    { line: 'foreach files -R deleted', what: 'all open files that were removed' },
    { line: 'files -c 96', what: 'with their cached pages' },
    { line: 'files -p ffff888981b7f4a0', what: 'these pages' },
  ],
  run(context, args) {
    const dentry = args.value('d');
    if (dentry !== undefined) return oneDentry(context, dentry);
    const inode = args.value('p');
    if (inode !== undefined) return inodePages(context, inode);
    const reference = args.value('R');
    const cached = args.has('c');
    return perTask(context, args, (task) => view(context, task, reference, cached));
  },
});

interface Row {
  readonly file: OpenFile;
  readonly dentry: VirtAddr | undefined;
  readonly type: string;
  readonly path: string;
  readonly mapping: VirtAddr | undefined;
  readonly pages: number | undefined;
}

function view(
  context: CommandContext,
  task: Task,
  reference: string | undefined,
  cached: boolean,
): TaskView | undefined {
  const { program, problem } = context;
  const of = `${task.comm} (pid ${task.pid})`;
  const directories = taskDirectories(program, task.address);
  const table = openFiles(program, task.address);
  if (table !== undefined && table.undecodable.length > 0)
    problem(`${of}: descriptors that cannot be read: ${table.undecodable.join(' ')}`);
  const rows = (table?.open ?? []).map((file) => rowOf(context, file));
  const shown = reference === undefined ? rows : rows.filter((row) => matches(row, reference));
  const [root, cwd] = [directories?.root, directories?.working].map((path) => (path === undefined ? '?' : full(path)));
  if (reference !== undefined && shown.length === 0 && root !== reference && cwd !== reference) return undefined;
  const lines: TextLine[] = [];
  if (directories !== undefined) lines.push(`ROOT: ${root ?? '?'}    CWD: ${cwd ?? '?'}`);
  if (rows.length === 0) lines.push('No open files');
  else lines.push([{ text: cached ? CACHED : HEADER, style: 'heading' }], ...shown.map((row) => line(row, cached)));
  // crash leaves these out.
  for (const fd of reference === undefined ? (table?.reserved ?? []) : [])
    lines.push(`${String(fd).padStart(3)} (an open(2) that has not returned)`);
  return {
    lines,
    data: {
      root: directories && name(full(directories.root)),
      cwd: directories && name(full(directories.working)),
      files: shown.map((row) => dataOf(row)),
      reserved: table?.reserved,
    },
  };
}

const full = (path: PathText): string => pathText(path);

function rowOf({ program }: CommandContext, file: OpenFile): Row {
  const dentry = attempt(() => program.field('struct file', 'f_path.dentry').pointer(file.file));
  const { inode } = file;
  const kind = inode === undefined ? undefined : attempt(() => readInode(program, inode));
  const mapping =
    inode === undefined ? undefined : attempt(() => program.field('struct inode', 'i_mapping').pointer(inode));
  return {
    file,
    dentry,
    type: fileType(kind),
    path: file.path === undefined ? '?' : full(file.path),
    mapping,
    pages:
      mapping === undefined
        ? undefined
        : attempt(() => program.field('struct address_space', 'nrpages').number(mapping)),
  };
}

function matches({ file, dentry, path }: Row, reference: string): boolean {
  if (/^\d{1,8}$/.test(reference) && Number(reference) === file.fd) return true;
  const at = parseAddress(reference);
  if (at !== undefined && [file.file, file.inode, dentry].includes(at)) return true;
  return !/^\d+$/.test(reference) && path.includes(reference);
}

function line({ file, dentry, type, path, mapping, pages }: Row, cached: boolean): TextLine {
  const text = (at: VirtAddr | undefined): string => (at === undefined ? '?'.padEnd(16) : hex16(at));
  const addresses = cached
    ? `${text(file.inode)} ${text(mapping)} ${String(pages ?? '?').padStart(7)}`
    : `${text(file.file)} ${text(dentry)} ${text(file.inode)}`;
  return [
    `${String(file.fd).padStart(3)} `,
    { text: addresses, style: 'address' },
    ` ${type.padEnd(4)} `,
    { text: path, style: 'name' },
  ];
}

function dataOf({ file, dentry, type, path, pages }: Row): Data {
  return {
    fd: file.fd,
    file: address(file.file),
    dentry: dentry === undefined ? undefined : address(dentry),
    inode: file.inode === undefined ? undefined : address(file.inode),
    type,
    path: name(path),
    cached_pages: pages,
  };
}

function oneDentry({ program }: CommandContext, text: string): Shape {
  const dentry = parseAddress(text);
  if (dentry === undefined) throw new UsageError(`-d '${text}': must be the address of a dentry`);
  const superBlock = program.field('struct dentry', 'd_sb').pointer(dentry);
  const inode = dentryInode(program, dentry);
  const read = inode === undefined ? undefined : attempt(() => readInode(program, inode));
  const path = inode === undefined ? undefined : attempt(() => pathOfInode(program, inode));
  const type = inode === undefined ? 'N/A' : fileType(read);
  const shownPath = path === undefined ? '' : full(path);
  const inodeText = inode === undefined ? '0'.padStart(16) : hex16(inode);
  return {
    shape: 'lines',
    lines: [
      [{ text: '     DENTRY           INODE           SUPERBLK     TYPE PATH', style: 'heading' }],
      [
        { text: `${hex16(dentry)} ${inodeText} ${hex16(superBlock)}`, style: 'address' },
        ` ${type.padEnd(4)} `,
        { text: shownPath, style: 'name' },
      ],
    ],
    data: () => ({
      dentry: address(dentry),
      inode: inode === undefined ? undefined : address(inode),
      super_block: address(superBlock),
      type,
      path: name(shownPath),
    }),
  };
}
