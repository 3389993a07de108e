import { describe, expect, it } from 'vitest';
import { type KernelImage, ref, struct, union } from '../../test/builders/image.ts';
import { OpenFilesBuilder } from '../../test/builders/open-files.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { Vfs } from '../../test/builders/vfs.ts';
import { add, virt } from '../base/address.ts';
import type { Program } from '../program/program.ts';
import { descriptorTables } from './files.ts';
import { stackWords } from './stack.ts';
import {
  findUserFault,
  mappingOfFault,
  readUserfaultfd,
  type UserFault,
  userfaultfdFiles,
  userfaultOf,
} from './userfaultfd.ts';

const STACK = 4096;
const FAULT_ADDRESS = 0x7f0000001000n;

function declare(image: KernelImage): void {
  image.struct('wait_queue_entry', {
    flags: 'unsigned int',
    private: 'void *',
    func: 'void *',
    entry: 'struct list_head',
  });
  image.struct('wait_queue_head', { lock: 'spinlock_t', head: 'struct list_head' });
  image.typedef('refcount_t', struct({ refs: 'atomic_t' }));
  image.struct('userfaultfd_ctx', {
    fault_pending_wqh: 'struct wait_queue_head',
    fault_wqh: 'struct wait_queue_head',
    fd_wqh: 'struct wait_queue_head',
    refcount: 'refcount_t',
    released: 'bool',
    mm: 'struct mm_struct *',
  });
  image.struct('uffd_msg', {
    event: 'u8',
    reserved1: 'u8',
    reserved2: 'u16',
    reserved3: 'u32',
    arg: union({ pagefault: struct({ flags: 'u64', address: 'u64', feat: 'u64' }), reserved: 'u64[3]' }),
  });
  image.struct('userfaultfd_wait_queue', {
    msg: 'struct uffd_msg',
    wq: 'struct wait_queue_entry',
    ctx: 'struct userfaultfd_ctx *',
    waken: 'bool',
  });
  image.struct('vm_area_struct', {
    vm_start: 'unsigned long',
    vm_end: 'unsigned long',
    vm_next: 'struct vm_area_struct *',
    vm_mm: 'struct mm_struct *',
    vm_flags: 'unsigned long',
    vm_pgoff: 'unsigned long',
    vm_file: 'struct file *',
    vm_userfaultfd_ctx: struct({ ctx: 'struct userfaultfd_ctx *' }),
  });
  image.struct('mm_struct', { mmap: 'struct vm_area_struct *' });
  image.function('userfaultfd_wake_function');
  image.function('autoremove_wake_function');
}

/** `ps` sleeps in a fault of its own and holds the only descriptor that could answer it; `log` has other files. */
class World {
  readonly vfs = new Vfs('6.1');
  readonly image = this.vfs.image;
  readonly files: OpenFilesBuilder;
  readonly stack: ReturnType<typeof virt>;

  constructor(count = 1, references = 2) {
    const { image } = this;
    this.files = new OpenFilesBuilder(this.vfs);
    declare(image);
    const uffd = { entry: 'report', operations: 'userfaultfd_fops', private: ref('ctx') };
    this.files.file('uffd', { ...uffd, count });
    this.files.file('plain', { entry: 'report', count: 1, private: ref('ctx') });
    this.files.table('ps', { 3: 'uffd' });
    this.files.table('log', { 1: 'plain' });
    image.place('ctx', 'struct userfaultfd_ctx', { refcount: references, mm: ref('mm') });
    for (const queue of ['fault_pending_wqh', 'fault_wqh', 'fd_wqh']) image.list(`ctx.${queue}.head`);
    image.place('mm', 'struct mm_struct', { mmap: ref('vma') });
    image.place('vma', 'struct vm_area_struct', {
      vm_start: 0x7f0000000000n,
      vm_end: 0x7f0000010000n,
      vm_mm: ref('mm'),
      'vm_userfaultfd_ctx.ctx': ref('ctx'),
    });
    this.stack = image.bytes('stack', new Uint8Array(STACK), { align: STACK });
    this.waiter('waiter', 'ps', 0x400);
    image.list('ctx.fault_pending_wqh.head', ['waiter.wq.entry']);
  }

  waiter(label: string, task: string, offset: number, flags = 1): void {
    this.image.place(
      label,
      'struct userfaultfd_wait_queue',
      {
        'msg.event': 0x12,
        'msg.arg.pagefault.flags': flags,
        'msg.arg.pagefault.address': FAULT_ADDRESS,
        'wq.private': ref(task),
        'wq.func': ref('userfaultfd_wake_function'),
        ctx: ref('ctx'),
      },
      { at: add(this.stack, offset) },
    );
  }

  find(from = 0): { readonly program: Program; readonly fault: UserFault | undefined } {
    const program = programOfImage(this.image);
    const words = stackWords(program, { start: this.stack, size: STACK }, add(this.stack, from));
    if (words === undefined) throw new Error('the test has no stack');
    return { program, fault: findUserFault(program, this.image.address('ps'), words) };
  }
}

describe('a page fault that waits for user space', () => {
  it('is found on the stack of the task', () => {
    const world = new World();
    expect(world.find().fault).toEqual({
      waiter: world.image.address('waiter'),
      task: world.image.address('ps'),
      ctx: world.image.address('ctx'),
      address: FAULT_ADDRESS,
      access: 'write',
      wants: 'missing',
      queue: 'pending',
    });
  });

  it.each([
    [0, 'read', 'missing'],
    [3, 'write', 'write-protected'],
    [4, 'read', 'minor'],
  ])('with flags %d is a %s, of a page that is %s', (flags, access, wants) => {
    const world = new World();
    world.image.write('waiter.msg.arg.pagefault.flags', flags);
    expect(world.find().fault).toMatchObject({ access, wants });
  });

  it('stands on the other queue once its event was read, and on none when that queue is damaged', () => {
    const world = new World();
    world.image.list('ctx.fault_pending_wqh.head');
    world.image.list('ctx.fault_wqh.head', ['waiter.wq.entry']);
    expect(world.find().fault?.queue).toBe('read');
    const damaged = new World();
    damaged.image.write('ctx.fault_pending_wqh.head.next', 8);
    expect(damaged.find().fault?.queue).toBeUndefined();
  });

  it.each<[string, (image: KernelImage) => void]>([
    ['of another task', (image) => image.write('waiter.wq.private', ref('log'))],
    ['whose wake function is no code', (image) => image.write('waiter.wq.func', ref('vma'))],
    ['whose event is no page fault', (image) => image.write('waiter.msg.event', 0x13)],
    ['whose context is no pointer', (image) => image.write('waiter.ctx', 1)],
    ['that is linked only to itself', (image) => image.list('waiter.wq.entry')],
    ['whose neighbour does not point back', (image) => image.write('ctx.fault_pending_wqh.head.prev', ref('ctx'))],
    ['whose links lead nowhere', (image) => image.write('waiter.wq.entry.next', 8)],
  ])('is not one %s', (_what, damage) => {
    const world = new World();
    damage(world.image);
    expect(world.find().fault).toBeUndefined();
  });

  it('is not one below the stack pointer or cut off by the end of the stack', () => {
    expect(new World().find(0x408).fault).toBeUndefined();
    const world = new World();
    const cut = STACK - 32;
    world.waiter('cut', 'ps', cut);
    world.image.write('waiter.wq.private', 0);
    expect(world.find().fault).toBeUndefined();
  });

  it('lies in a mapping that is registered with the context', () => {
    const world = new World();
    const { program, fault } = world.find();
    if (fault === undefined) throw new Error('no fault');
    expect(mappingOfFault(program, fault)).toMatchObject({
      vma: { vma: world.image.address('vma'), start: 0x7f0000000000n },
      registered: true,
    });
    world.image.write('vma.vm_userfaultfd_ctx.ctx', 0);
    expect(mappingOfFault(programOfImage(world.image), fault)?.registered).toBe(false);
    world.image.write('vma.vm_end', 0x7f0000001000n);
    expect(mappingOfFault(programOfImage(world.image), fault)).toBeUndefined();
  });
});

describe('a userfaultfd context', () => {
  it('tells its faults, its references and who listens', () => {
    const world = new World(1, 3);
    const { image } = world;
    world.waiter('second', 'log', 0x800);
    image.list('ctx.fault_wqh.head', ['second.wq.entry']);
    image.place('listener', 'struct wait_queue_entry', {
      func: ref('autoremove_wake_function'),
      private: ref('log'),
    });
    image.list('ctx.fd_wqh.head', ['listener.entry']);
    expect(readUserfaultfd(programOfImage(image), image.address('ctx'))).toMatchObject({
      mm: image.address('mm'),
      references: 3,
      released: false,
      pendingFaults: 1,
      readFaults: 1,
      listeners: [{ kind: 'task', tasks: [image.address('log')] }],
    });
  });

  it('does not know what stands on a damaged queue', () => {
    const { image } = new World();
    image.write('ctx.fault_pending_wqh.head.next', 8);
    image.write('ctx.fd_wqh.head.next', 8);
    image.write('ctx.released', 1);
    expect(readUserfaultfd(programOfImage(image), image.address('ctx'))).toMatchObject({
      released: true,
      pendingFaults: undefined,
      readFaults: 0,
      listeners: undefined,
    });
  });

  it.each([
    [1, true],
    [2, false],
  ])('whose file has %d references: all descriptors found is %s', (count, complete) => {
    const { image } = new World(count);
    const program = programOfImage(image);
    const tables = descriptorTables(program, [image.address('ps'), image.address('log')]);
    expect(userfaultfdFiles(program, tables, image.address('ctx'))).toEqual([
      {
        file: image.address('uffd'),
        holders: [{ fd: 3, files: image.address('ps_files'), tasks: [image.address('ps')], references: 1 }],
        count: BigInt(count),
        complete,
        unread: [],
      },
    ]);
  });

  it('of which no task has a file is answered by nobody known', () => {
    const { image } = new World();
    const program = programOfImage(image);
    const tables = descriptorTables(program, [image.address('log')]);
    expect(userfaultfdFiles(program, tables, image.address('ctx'))).toEqual([]);
  });
});

describe('all of a fault', () => {
  function all(world: World) {
    const { image } = world;
    image.symbol('__start_init_stack', world.stack);
    image.symbol('__end_init_stack', add(world.stack, STACK));
    image.write('ps.stack', ref('stack'));
    const tasks = ['ps', 'log'].map((label) => ({ address: image.address(label) }));
    const frames = [{ sp: add(world.stack, 0x100) }];
    return userfaultOf(programOfImage(image), { address: image.address('ps') }, frames, tasks);
  }

  it('is its mapping, its context and the descriptors that could answer', () => {
    const world = new World();
    expect(all(world)).toMatchObject({
      fault: { address: FAULT_ADDRESS },
      mapping: { registered: true },
      context: { references: 2, pendingFaults: 1 },
      files: [{ file: world.image.address('uffd'), complete: true }],
      referencesAccounted: true,
      unread: [],
    });
  });

  it('tells when the context has a reference that nothing accounts for', () => {
    expect(all(new World(1, 3))?.referencesAccounted).toBe(false);
    const damaged = new World();
    damaged.image.write('ctx.fault_wqh.head.next', 8);
    expect(all(damaged)?.referencesAccounted).toBeUndefined();
  });

  it('is nothing without a stack or a fault on it', () => {
    const world = new World();
    world.image.write('waiter.wq.private', 0);
    expect(all(world)).toBeUndefined();
  });
});

describe('a kernel without userfaultfd', () => {
  it('has no such faults', () => {
    const { image } = new Vfs('3.10');
    const task = image.place('task', 'struct task_struct');
    const words = { start: virt(0xffff888000000000n), words: BigUint64Array.of(task) };
    expect(findUserFault(programOfImage(image), task, words)).toBeUndefined();
  });
});
