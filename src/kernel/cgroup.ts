/**
 * Control groups: which one a task is in (`struct css_set`, include/linux/cgroup-defs.h) and a group's path, from its
 * `struct kernfs_node` up to the root. Paths are those of the hierarchy and not of a cgroup namespace.
 * Named hierarchies of version 1 by the links of the css_set. Until 3.14 cgroups have no kernfs nodes, but parents and names.
 */
import { isAligned, isKernel, NULL, type VirtAddr } from '../base/address.ts';
import { cstring } from '../base/bytes.ts';
import { ValidationError } from '../base/errors.ts';
import type { Field } from '../program/field.ts';
import type { Program } from '../program/program.ts';
import { listEntries } from './list.ts';

/** A path may have 4096 bytes. */
const MAX_DEPTH = 2048;
const MAX_NAME = 256;
/** A kernel has some dozens of hierarchies at most: one for each controller, and named ones. */
const MAX_HIERARCHIES = 256;

/**
 * The cgroup of a task, `struct cgroup *`.
 * @param task - `struct task_struct *`
 * @param controller - such as 'memory': the group that this controller accounts the task to, of whichever version.
 *   Without it, the task's group in the version 2 hierarchy (since 4.2)
 * @returns undefined when this kernel has no such controller, or no version 2 hierarchy
 * @throws FaultError, LookupError, ValidationError
 */
export function taskCgroup(program: Program, task: VirtAddr, controller?: string): VirtAddr | undefined {
  return cgroupOfSet(program, taskCssSet(program, task), controller);
}

/**
 * The groups of a task in all hierarchies, `struct css_set *`: many tasks share one.
 * @param task - `struct task_struct *`
 * @throws FaultError, LookupError, ValidationError
 */
export function taskCssSet(program: Program, task: VirtAddr): VirtAddr {
  const set = program.field('struct task_struct', 'cgroups').pointer(task);
  check('struct css_set', set, task);
  return set;
}

/**
 * The same as `taskCgroup`, of the task's css_set.
 * @param set - `struct css_set *`
 * @throws FaultError, LookupError, ValidationError
 */
export function cgroupOfSet(program: Program, set: VirtAddr, controller?: string): VirtAddr | undefined {
  if (controller === undefined) {
    const group = program.tryField('struct css_set', 'dfl_cgrp')?.pointer(set);
    return group === NULL ? undefined : group;
  }
  // enum cgroup_subsys_id: memory_cgrp_id since 3.15 (commit 073219e995b4), mem_cgroup_subsys_id before.
  const before = controller === 'memory' ? 'mem_cgroup' : controller;
  const id = program.enumerator(`${controller}_cgrp_id`) ?? program.enumerator(`${before}_subsys_id`);
  const css = id === undefined ? undefined : program.tryField('struct css_set', `subsys[${id}]`)?.pointer(set);
  if (css === undefined || css === 0n) return undefined;
  check('struct cgroup_subsys_state', css, set);
  return program.field('struct cgroup_subsys_state', 'cgroup').pointer(css);
}

/**
 * The cgroup of a named hierarchy of version 1, such as systemd's own.
 * @param set - `struct css_set *`
 * @param name - as in `mount -o name=systemd`
 * @returns `struct cgroup *`; undefined when there is no such hierarchy, or the kernel has no such links
 * @throws FaultError, LookupError, ValidationError
 */
export function namedCgroup(program: Program, set: VirtAddr, name: string): VirtAddr | undefined {
  const layout = linkLayout(program);
  if (layout === undefined) return undefined;
  const root = program.field('struct cgroup', 'root');
  const head = layout.links.address(set);
  for (const link of listEntries(program, head, layout.type, layout.node, MAX_HIERARCHIES)) {
    const at = layout.group.pointer(link);
    check('struct cgroup', at, link);
    const of = root.pointer(at);
    check('struct cgroup_root', of, at);
    if (layout.name.text(of) === name) return at;
  }
  return undefined;
}

interface LinkLayout {
  /** C type of a link, and its node in the list of the css_set. */
  readonly type: string;
  readonly node: string;
  readonly links: Field;
  readonly group: Field;
  readonly name: Field;
}

function linkLayout(program: Program): LinkLayout | undefined {
  // cgrp_cset_link since 3.11 (commit 69d0206c793a), cg_cgroup_link before.
  const links = program.tryField('struct css_set', 'cgrp_links');
  const [type, node] =
    links === undefined ? ['struct cg_cgroup_link', 'cg_link_list'] : ['struct cgrp_cset_link', 'cgrp_link'];
  const all = links ?? program.tryField('struct css_set', 'cg_links');
  const group = program.tryField(type, 'cgrp');
  // cgroup_root since 3.15 (commit 3dd06ffa9df8), cgroupfs_root before.
  const name = program.tryField('struct cgroup_root', 'name') ?? program.tryField('struct cgroupfs_root', 'name');
  if (all === undefined || group === undefined || name === undefined) return undefined;
  if (links === undefined) program.layouts.chose('struct css_set', 'cg_cgroup_link (until 3.10)', []);
  return { type, node, links: all, group, name };
}

/**
 * The path of a cgroup in its hierarchy: '/' for the root, '/system.slice/ssh.service'.
 * @param cgroup - `struct cgroup *`
 * @throws FaultError, LookupError, ValidationError when the way up does not end
 */
export function cgroupPath(program: Program, cgroup: VirtAddr): string {
  check('struct cgroup', cgroup, cgroup);
  // Since 3.15 (commit 2bd59d48ebfb).
  const node = program.tryField('struct cgroup', 'kn');
  return node === undefined ? pathByParents(program, cgroup) : kernfsPath(program, node.pointer(cgroup));
}

/** Until 3.14: each has a name since 3.10 (commit 65dff759d292), before that a dentry. */
function pathByParents(program: Program, cgroup: VirtAddr): string {
  const parent = program.field('struct cgroup', 'parent');
  const named = program.tryField('struct cgroup', 'name');
  const dentry = named === undefined ? program.field('struct cgroup', 'dentry') : undefined;
  const nameOf = (at: VirtAddr): string => {
    if (dentry !== undefined)
      return program.field('struct dentry', 'd_name.name').string(dentry.pointer(at), MAX_NAME) ?? '';
    const holder = program.field('struct cgroup', 'name').pointer(at);
    check('struct cgroup_name', holder, at);
    const text = program.field('struct cgroup_name', 'name').address(holder);
    return cstring(program.memory.readCString(text, MAX_NAME));
  };
  program.layouts.chose('struct cgroup', `parents and ${named === undefined ? 'dentries' : 'names'} (until 3.14)`, []);
  const parts: string[] = [];
  for (let at = cgroup; ; ) {
    const up = parent.pointer(at);
    if (up === 0n) return `/${parts.reverse().join('/')}`;
    check('struct cgroup', up, at);
    if (parts.length >= MAX_DEPTH) throw new ValidationError('struct cgroup', cgroup, 'has too many parents');
    parts.push(nameOf(at));
    at = up;
  }
}

/**
 * The path of a kernfs node.
 * @param node - `struct kernfs_node *`
 * @throws FaultError, LookupError, ValidationError when the way up does not end
 */
export function kernfsPath(program: Program, node: VirtAddr): string {
  // `__parent` since 6.15 (commit 633488947ef6), under RCU.
  const parent = program.firstField('struct kernfs_node', ['parent', '__parent']);
  const name = program.field('struct kernfs_node', 'name');
  const parts: string[] = [];
  let at = node;
  for (;;) {
    check('struct kernfs_node', at, node);
    const up = parent.pointer(at);
    // The root's name is empty.
    if (up === 0n) break;
    if (parts.length >= MAX_DEPTH) throw new ValidationError('struct kernfs_node', node, 'has too many parents');
    parts.push(name.string(at, MAX_NAME) ?? '');
    at = up;
  }
  return `/${parts.reverse().join('/')}`;
}

function check(structure: string, address: VirtAddr, from: VirtAddr): void {
  if (!isKernel(address) || !isAligned(address, 8))
    throw new ValidationError(structure, from, 'is not where the pointer to it says');
}
