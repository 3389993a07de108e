import { describe, expect, it, vi } from 'vitest';
import { ref } from '../../test/builders/image.ts';
import { OpenFilesBuilder } from '../../test/builders/open-files.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { Vfs, VFS_ERAS, type VfsEra } from '../../test/builders/vfs.ts';
import { FaultError, ValidationError } from '../base/errors.ts';
import { descriptorTable, descriptorTables, holdersOfFile, openFiles, readFile, taskDirectories } from './files.ts';

function world(era: VfsEra = '6.1') {
  const vfs = new Vfs(era);
  const files = new OpenFilesBuilder(vfs);
  return { vfs, image: vfs.image, files };
}

describe.each(VFS_ERAS)('open files as in %s', (era) => {
  it('have path, inode, operations, flags and references', () => {
    const { image, files } = world(era);
    files.file('log', { entry: 'report', count: 3, private: 0xffff888000001000n });
    files.file('directory', { entry: 'data_root', count: 1, operations: 'simple_dir_operations' });
    files.table('ps', { 0: 'log', 63: 'directory', 64: 'log' }, 128);
    const program = programOfImage(image);
    const open = openFiles(program, image.address('ps'));
    expect(open).toMatchObject({ files: image.address('ps_files'), reserved: [], undecodable: [] });
    expect(open?.open.map(({ fd, file }) => [fd, file])).toEqual([
      [0, image.address('log')],
      [63, image.address('directory')],
      [64, image.address('log')],
    ]);
    expect(open?.open[0]).toEqual({
      fd: 0,
      file: image.address('log'),
      path: { text: '/srv/data/report', deleted: false, reachable: true },
      inode: image.address('report_inode'),
      operations: image.address('shmem_file_operations'),
      operationsName: 'shmem_file_operations',
      privateData: 0xffff888000001000n,
      flags: 0o100002,
      position: 7n,
      count: 3n,
    });
  });
});

describe('a table of descriptors', () => {
  it('whose pages are lost asks each of them once, and counts all that lay there', () => {
    const { image, files } = world();
    const open = Object.fromEntries(Array.from({ length: 2048 }, (_, fd): [number, 0] => [fd, 0]));
    files.table('ps', open, 2048);
    image.place('lost', 'u64[2048]', [], { page: 'excluded', align: 4096 });
    image.write('ps_fdt.fd', ref('lost'));
    const program = programOfImage(image);
    const reads = vi.spyOn(program.memory, 'readPointer');
    expect(descriptorTable(program, image.address('ps'))?.undecodable.length).toBe(2048);
    // 16 KiB of pointers.
    expect(reads.mock.calls.filter(([at]) => at >= image.address('lost')).length).toBeLessThanOrEqual(8);
  });

  it('tells those that are reserved and those that cannot be decoded', () => {
    const { image, files } = world();
    files.file('log', { entry: 'report', count: 1 });
    files.table('ps', { 0: 'log', 3: 0, 4: 'log', 5: 'log', 6: 'log' });
    image.write('ps_fd[4]', 0x1000);
    image.write('ps_fd[5]', ref('log', 4));
    image.place('lost', 'struct file', {}, { page: 'excluded' });
    image.write('ps_fd[6]', ref('lost'));
    const program = programOfImage(image);
    const table = descriptorTable(program, image.address('ps'));
    expect(table).toMatchObject({ reserved: [3], undecodable: [4, 5] });
    // A file that cannot be read counts as undecodable once files are looked at.
    expect(openFiles(program, image.address('ps'))).toMatchObject({ reserved: [3], undecodable: [4, 5, 6] });
    expect(openFiles(program, image.address('ps'))?.open.map(({ fd }) => fd)).toEqual([0]);
  });

  it('is not there after a task exited', () => {
    const { image, files } = world();
    files.table('ps', {});
    image.write('ps.files', 0);
    const program = programOfImage(image);
    expect(openFiles(program, image.address('ps'))).toBeUndefined();
    expect(taskDirectories(program, image.address('ps'))).toBeUndefined();
  });

  it.each([1 << 25, 0xffffffff])('of %d descriptors is damaged', (maxFds) => {
    const { image, files } = world();
    files.table('ps', {});
    image.write('ps_fdt.max_fds', maxFds);
    const program = programOfImage(image);
    expect(() => descriptorTable(program, image.address('ps'))).toThrow(ValidationError);
  });

  it('that is longer than memory cannot be read', () => {
    const { image, files } = world();
    files.table('ps', {});
    image.write('ps_fdt.max_fds', 1 << 20);
    const program = programOfImage(image);
    expect(() => descriptorTable(program, image.address('ps'))).toThrow(FaultError);
  });
});

describe('a file', () => {
  it('without operations is none', () => {
    const { image, files } = world();
    files.file('log', { entry: 'report', count: 1 });
    image.write('log.f_op', 0);
    const program = programOfImage(image);
    expect(() => readFile(program, image.address('log'))).toThrow(ValidationError);
  });

  it('of which the path cannot be followed is told without it', () => {
    const { image, files } = world();
    files.file('log', { entry: 'report', count: 1 });
    image.write('report_dentry.d_parent', 0);
    expect(readFile(programOfImage(image), image.address('log'))).toMatchObject({ path: undefined, flags: 0o100002 });
  });

  it('that was let go has no references, as file_ref_t counts', () => {
    const { image, files } = world('6.19');
    files.file('log', { entry: 'report', count: 1 });
    image.write('log.f_ref.refcnt.counter', 0xe000000000000000n);
    expect(readFile(programOfImage(image), image.address('log')).count).toBe(0n);
  });
});

describe('directories of a task', () => {
  it('are where it works and what it sees as root', () => {
    const { vfs, image, files } = world();
    files.table('ps', {});
    image.place('fs', 'struct fs_struct', {
      'root.mnt': vfs.vfsmount('root_mount'),
      'root.dentry': ref('srv_dentry'),
      'pwd.mnt': vfs.vfsmount('data_mount'),
      'pwd.dentry': ref('data_root_dentry'),
    });
    image.write('ps.fs', ref('fs'));
    const directories = taskDirectories(programOfImage(image), image.address('ps'));
    expect(directories?.working.text).toBe('/srv/data');
    expect(directories?.root.text).toBe('/srv');
  });
});

describe('holders of a file', () => {
  function shared() {
    const { image, files } = world();
    files.file('log', { entry: 'report', count: 3 });
    files.file('other', { entry: 'gone', count: 1 });
    files.table('one', { 0: 'log', 1: 'other', 2: 'log' });
    files.table('two', { 9: 'log' });
    image.place('thread', 'struct task_struct', { files: ref('two_files') });
    image.place('exited', 'struct task_struct', {});
    const tasks = ['one', 'two', 'thread', 'exited'].map((label) => image.address(label));
    return { image, tasks };
  }

  it('are its descriptors, one for all threads that share a table', () => {
    const { image, tasks } = shared();
    image.write('two_files.count', 2);
    const found = holdersOfFile(programOfImage(image), tasks, image.address('log'));
    expect(found).toEqual({
      file: image.address('log'),
      holders: [
        { fd: 0, files: image.address('one_files'), tasks: [image.address('one')], references: 1 },
        { fd: 2, files: image.address('one_files'), tasks: [image.address('one')], references: 1 },
        {
          fd: 9,
          files: image.address('two_files'),
          tasks: [image.address('two'), image.address('thread')],
          references: 2,
        },
      ],
      count: 3n,
      complete: true,
      unread: [],
    });
  });

  it.each([
    [4, false],
    [2, undefined],
  ])('with %d references on the file: complete is %s', (count, complete) => {
    const { image, tasks } = shared();
    image.write('log.f_count', count);
    expect(holdersOfFile(programOfImage(image), tasks, image.address('log')).complete).toBe(complete);
  });

  it('are not all known when a table cannot be read', () => {
    const { image, tasks } = shared();
    image.write('two_fdt.max_fds', 0xffffffff);
    const program = programOfImage(image);
    const tables = descriptorTables(program, tasks);
    expect(tables.unread).toEqual([image.address('two'), image.address('thread')]);
    const found = holdersOfFile(program, tables, image.address('log'));
    expect(found.holders).toHaveLength(2);
    expect(found.complete).toBe(false);
    expect(found.unread).toHaveLength(2);
  });
});
