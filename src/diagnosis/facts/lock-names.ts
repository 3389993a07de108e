/**
 * What a lock is: `i_rwsem` of the directory inode of /data, `mmap_lock` of a process, `s_umount` of a file system, a
 * global variable, or at least the slab cache or module that it lies in. Nothing is guessed: each answer has witnesses.
 */
import { add, type VirtAddr } from '../../base/address.ts';
import { attempt } from '../../base/errors.ts';
import { inodeOfLock } from '../../kernel/inode.ts';
import type { LockKind } from '../../kernel/lock-kinds.ts';
import { slabObjectAt } from '../../kernel/slab.ts';
import { fsTypeName, superBlocks } from '../../kernel/super-block.ts';
import { vmaOfLock } from '../../kernel/vma-lock.ts';
import { defineFact, type FactContext } from '../../model/diagnosis.ts';
import { address, name, prose, symbol, task as taskValue, type Prose } from '../../model/value.ts';
import { lockCaller, locksFact } from './locks.ts';
import { stacksFact } from './stacks.ts';
import { tasksFact } from './tasks.ts';

export interface LockName {
  readonly what: 'inode' | 'mm' | 'super_block' | 'symbol' | 'slab' | 'unknown';
  /** 'the i_rwsem of the directory /data'; fits after 'wait for'. */
  readonly text: Prose;
  /** The member or variable that is the lock: 'i_rwsem', 'rtnl_mutex'. */
  readonly member: string | undefined;
  /** Of a variable of a module: its name. */
  readonly module: string | undefined;
  /** The object that holds the lock. */
  readonly container: { readonly address: VirtAddr; readonly ctype: string } | undefined;
  /** For an inode: from the root of the mount namespace. */
  readonly path: string | undefined;
  /** For an inode whose file system is mounted nowhere that could be found: from the root of that. */
  readonly pathInFileSystem: string | undefined;
  readonly inodeKind: string | undefined;
  readonly fsType: string | undefined;
  /** What says so, one phrase each. */
  readonly witnesses: readonly string[];
}

export interface LockNames {
  of(lock: VirtAddr, kind: LockKind): LockName;
}

export const lockNamesFact = defineFact<LockNames>({
  id: 'lock-names',
  derive(context) {
    const known = new Map<VirtAddr, LockName>();
    return {
      of(lock, kind) {
        let found = known.get(lock);
        if (found === undefined) known.set(lock, (found = nameOf(context, lock, kind)));
        return found;
      },
    };
  },
});

const NOTHING = {
  module: undefined,
  container: undefined,
  path: undefined,
  pathInFileSystem: undefined,
  inodeKind: undefined,
  fsType: undefined,
  member: undefined,
};

function nameOf(context: FactContext, lock: VirtAddr, kind: LockKind): LockName {
  return (
    globalName(context, lock) ??
    attempt(() => mmName(context, lock)) ??
    (kind === 'rw_semaphore' ? attempt(() => vmaName(context, lock)) : undefined) ??
    attempt(() => inodeName(context, lock)) ??
    attempt(() => superBlockName(context, lock)) ??
    (kind === 'percpu_rw_semaphore' ? attempt(() => freezeName(context, lock)) : undefined) ??
    attempt(() => slabName(context, lock, kind)) ?? {
      ...NOTHING,
      what: 'unknown',
      text: [`a ${kind} that nothing names`],
      witnesses: [],
    }
  );
}

function globalName(context: FactContext, lock: VirtAddr): LockName | undefined {
  const { program } = context;
  const at = program.symbols.at(lock);
  if (at === undefined) return undefined;
  // A `struct lock_class_key` is empty without lockdep, and lies where the next variable begins: maybe the lock itself.
  const symbols = at.module === undefined ? program.symbols.kernel : program.moduleAt(lock)?.symbols;
  const own = EMPTY_KEY.test(at.name) ? otherAt(symbols, at.address) : undefined;
  const base = own ?? at.name;
  const spelled = at.offset === 0 ? base : `${base}+${at.offset}`;
  const where = at.module === undefined ? '' : prose` of module ${name(at.module)}`;
  const [, bare] = NUMBERED.exec(spelled) ?? [];
  return {
    ...NOTHING,
    what: 'symbol',
    text: prose`${bare === undefined ? prose`the global ${symbol(spelled)}` : staticText(context, lock, bare, spelled)}${where}`,
    member: spelled,
    module: at.module,
    witnesses: [`symbol ${spelled} covers it`],
  };
}

const EMPTY_KEY = /^__key(\.\d+)?$/;

/** How compilers tell the static variables of functions apart: 'lock.1'. Other functions may have others of that name. */
const NUMBERED = /^([A-Za-z_]\w*)\.\d+$/;

function staticText({ use }: FactContext, lock: VirtAddr, bare: string, spelled: string): Prose {
  const waiters = use(locksFact).locks.find(({ address: at }) => at === lock)?.waiters ?? [];
  const callers = new Set(waiters.map(({ task }) => lockCaller(use(stacksFact).of(task).frames)));
  const [caller] = callers;
  return caller === undefined || callers.size > 1
    ? prose`a static ${symbol(bare)} (symbol ${symbol(spelled)})`
    : prose`the static ${symbol(bare)} that ${symbol(caller)} takes (symbol ${symbol(spelled)})`;
}

function otherAt(
  symbols: { entries(): Iterable<{ readonly name: string; readonly address: VirtAddr }> } | undefined,
  address: VirtAddr,
): string | undefined {
  for (const symbol of symbols?.entries() ?? []) {
    if (symbol.address === address && !EMPTY_KEY.test(symbol.name)) return symbol.name;
  }
  return undefined;
}

function mmName({ program, use }: FactContext, lock: VirtAddr): LockName | undefined {
  // mmap_lock since 5.8 (commit da1c55f1b272), mmap_sem before.
  const member = program.tryField('struct mm_struct', 'mmap_lock') === undefined ? 'mmap_sem' : 'mmap_lock';
  const mm = program.field('struct mm_struct', member).container(lock);
  const user = use(tasksFact).tasks.find((task) => task.mm === mm && !task.kthread);
  if (user === undefined) return undefined;
  const leader = use(tasksFact).byAddress.get(user.groupLeader ?? user.address) ?? user;
  return {
    ...NOTHING,
    what: 'mm',
    text: prose`the ${symbol(member)} of ${taskValue(leader)}`,
    member,
    container: { address: mm, ctype: 'struct mm_struct' },
    witnesses: [`it lies in the mm_struct that pid ${leader.pid} uses`],
  };
}

function vmaName({ program, use }: FactContext, lock: VirtAddr): LockName | undefined {
  const { tasks, byAddress } = use(tasksFact);
  const users = tasks.filter((task) => task.mm !== undefined && !task.kthread);
  const found = vmaOfLock(program, lock, new Set(users.flatMap(({ mm }) => mm ?? [])));
  const user = users.find(({ mm }) => mm === found?.mm);
  if (found === undefined || user === undefined) return undefined;
  const leader = byAddress.get(user.groupLeader ?? user.address) ?? user;
  return {
    ...NOTHING,
    what: 'mm',
    text: prose`the lock of the mapping at ${address(found.vma.start)} of ${taskValue(leader)}`,
    member: 'vm_lock',
    container: { address: found.vma.vma, ctype: 'struct vm_area_struct' },
    witnesses: [`it is the vm_lock of a mapping of the mm_struct that pid ${leader.pid} uses`],
  };
}

function inodeName({ program }: FactContext, lock: VirtAddr): LockName | undefined {
  const inode = inodeOfLock(program, lock);
  if (inode === undefined) return undefined;
  const member = program.tryField('struct inode', 'i_rwsem') === undefined ? 'i_mutex' : 'i_rwsem';
  const { path } = inode;
  const named = path === undefined ? prose`inode ${String(inode.number)}` : name(path.text);
  const deleted = path?.deleted === true ? ', deleted' : '';
  // 'pipe:[4711]' is whole without a mount.
  const afloat = path !== undefined && !path.reachable && !path.deleted && path.text.startsWith('/');
  const where = afloat ? ', as seen inside of it: where it is mounted was not found' : deleted;
  return {
    what: 'inode',
    text: prose`the ${symbol(member)} of the ${inode.kind} ${named} (${name(inode.fsType)}${where})`,
    member,
    container: { address: inode.inode, ctype: 'struct inode' },
    path: afloat ? undefined : path?.text,
    pathInFileSystem: afloat ? path.text : undefined,
    inodeKind: inode.kind,
    fsType: inode.fsType,
    module: undefined,
    witnesses: inode.evidence,
  };
}

function superBlockName({ program }: FactContext, lock: VirtAddr): LockName | undefined {
  const superBlock = program.field('struct super_block', 's_umount').container(lock);
  if (!superBlocks(program).some((known) => known === superBlock)) return undefined;
  const fsType = fsTypeName(program, superBlock);
  const id = program.field('struct super_block', 's_id').text(superBlock);
  return {
    ...NOTHING,
    what: 'super_block',
    text: prose`the ${symbol('s_umount')} of the ${name(fsType)} file system ${name(id)}`,
    member: 's_umount',
    container: { address: superBlock, ctype: 'struct super_block' },
    fsType,
    witnesses: ['it lies in a super block on the list super_blocks'],
  };
}

/** SB_FREEZE_WRITE, SB_FREEZE_PAGEFAULT, SB_FREEZE_FS, less one: the index into `s_writers.rw_sem`. */
const GATES = ['writes', 'writing page faults', 'work inside the file system'];
/** SB_FREEZE_COMPLETE. */
const FROZEN = 4n;

/** The gates that freezing closes: `s_writers.rw_sem`, percpu_rw_semaphores since 4.3 (commit 8129ed29644b). */
function freezeName({ program }: FactContext, lock: VirtAddr): LockName | undefined {
  const gates = program.field('struct super_block', 's_writers.rw_sem');
  const size = program.sizeOf('struct percpu_rw_semaphore');
  for (const superBlock of superBlocks(program)) {
    const index = GATES.findIndex((_gate, i) => add(gates.address(superBlock), i * size) === lock);
    if (index < 0) continue;
    const fsType = fsTypeName(program, superBlock);
    const id = program.field('struct super_block', 's_id').text(superBlock);
    const frozen = attempt(() => program.field('struct super_block', 's_writers.frozen').u64(superBlock)) === FROZEN;
    return {
      ...NOTHING,
      what: 'super_block',
      text: prose`the gate for ${GATES[index] ?? ''} of the ${name(fsType)} file system ${name(id)}${frozen ? ', which is frozen' : ''}`,
      member: `s_writers.rw_sem[${index}]`,
      container: { address: superBlock, ctype: 'struct super_block' },
      fsType,
      witnesses: [
        'it lies in a super block on the list super_blocks',
        ...(frozen ? ['s_writers.frozen is SB_FREEZE_COMPLETE: whoever froze it must thaw it'] : []),
      ],
    };
  }
  return undefined;
}

function slabName({ program }: FactContext, lock: VirtAddr, kind: LockKind): LockName | undefined {
  const object = slabObjectAt(program, lock);
  if (object === undefined) return undefined;
  return {
    ...NOTHING,
    what: 'slab',
    text: prose`a ${kind} in a ${name(object.cacheName)} object`,
    container: { address: object.start, ctype: `slab object of ${object.cacheName}` },
    witnesses: [`its page belongs to the slab cache ${object.cacheName}`],
  };
}

/** ' (module pairdev)', ' (modules a and b)'; empty where none is known. */
export function modulesText(found: readonly (string | undefined)[]): Prose {
  const modules = [...new Set(found)].filter((module) => module !== undefined);
  const names = modules.flatMap((module, i): Prose => [...(i === 0 ? [] : [' and ']), name(module)]);
  return names.length === 0 ? [] : prose` (${modules.length === 1 ? 'module' : 'modules'} ${names})`;
}
