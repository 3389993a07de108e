import { describe, expect, it } from 'vitest';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { FaultError, ValidationError } from '../base/errors.ts';
import { Cgroups } from '../../test/builders/cgroups.ts';
import { cgroupPath, namedCgroup, taskCgroup, taskCssSet } from './cgroup.ts';

/** Task 'sshd' in /system.slice/ssh.service of version 2, and in /limited of version 1's memory hierarchy. */
function groups(parent: 'parent' | '__parent' = 'parent'): KernelImage {
  const image = new KernelImage();
  image.struct('kernfs_node', { [parent]: 'struct kernfs_node *', name: 'const char *' });
  image.struct('cgroup', { flags: 'unsigned long', kn: 'struct kernfs_node *' });
  image.struct('cgroup_subsys_state', { cgroup: 'struct cgroup *' });
  image.struct('css_set', { subsys: 'struct cgroup_subsys_state *[3]', dfl_cgrp: 'struct cgroup *' });
  image.struct('task_struct', { cgroups: 'struct css_set *' });
  image.enum('cgroup_subsys_id', ['cpuset_cgrp_id', 'memory_cgrp_id', 'CGROUP_SUBSYS_COUNT']);
  const group = (label: string, name: string, up?: string): void => {
    image.place(`${label} kn`, 'struct kernfs_node', { name, [parent]: up === undefined ? 0 : ref(`${up} kn`) });
    image.place(label, 'struct cgroup', { kn: ref(`${label} kn`) });
  };
  group('root', '');
  group('slice', 'system.slice', 'root');
  group('service', 'ssh.service', 'slice');
  group('memory root', '');
  group('limited', 'limited', 'memory root');
  image.place('css', 'struct cgroup_subsys_state', { cgroup: ref('limited') });
  image.place('set', 'struct css_set', { 'subsys[1]': ref('css'), dfl_cgrp: ref('service') });
  image.place('sshd', 'struct task_struct', { cgroups: ref('set') });
  return image;
}

describe('taskCgroup', () => {
  it("finds the group in version 2's hierarchy and the one that a controller accounts to", () => {
    const image = groups();
    const program = programOfImage(image);
    const task = image.address('sshd');
    expect(taskCgroup(program, task)).toBe(image.address('service'));
    expect(taskCgroup(program, task, 'memory')).toBe(image.address('limited'));
    expect(taskCgroup(program, task, 'cpuset')).toBeUndefined();
    expect(taskCgroup(program, task, 'nonsense')).toBeUndefined();
  });

  it('refuses a task without a css_set', () => {
    const image = groups();
    image.write('sshd.cgroups', 0);
    expect(() => taskCgroup(programOfImage(image), image.address('sshd'))).toThrow(ValidationError);
  });
});

describe('cgroupPath', () => {
  it.each(['parent', '__parent'] as const)('goes up by %s', (parent) => {
    const image = groups(parent);
    const path = (label: string): string => cgroupPath(programOfImage(image), image.address(label));
    expect(path('root')).toBe('/');
    expect(path('slice')).toBe('/system.slice');
    expect(path('service')).toBe('/system.slice/ssh.service');
  });

  it('ends when the way up is a loop, leaves the kernel or is not in the dump', () => {
    const image = groups();
    const service = image.address('service');
    image.write('slice kn.parent', ref('service kn'));
    expect(() => cgroupPath(programOfImage(image), service)).toThrow(ValidationError);
    image.write('slice kn.parent', 0x1000);
    expect(() => cgroupPath(programOfImage(image), service)).toThrow(ValidationError);
    image.write('slice kn.parent', 0xffff999900000000n);
    expect(() => cgroupPath(programOfImage(image), service)).toThrow(FaultError);
  });
});

describe('namedCgroup', () => {
  function hierarchies(): KernelImage {
    const image = new KernelImage();
    image.struct('task_struct', { cgroups: 'struct css_set *' });
    image.place('cron', 'struct task_struct', {});
    new Cgroups(image).put('cron', { freezer: '/', systemd: '/system.slice/cron.service' });
    return image;
  }
  const pathOf = (image: KernelImage, name: string): string | undefined => {
    const program = programOfImage(image);
    const group = namedCgroup(program, taskCssSet(program, image.address('cron')), name);
    return group === undefined ? undefined : cgroupPath(program, group);
  };

  it('goes through the links of the css_set to the hierarchy of that name', () => {
    expect(pathOf(hierarchies(), 'systemd')).toBe('/system.slice/cron.service');
    expect(pathOf(hierarchies(), 'freezer')).toBe('/');
    expect(pathOf(hierarchies(), 'systemd2')).toBeUndefined();
  });

  it('refuses links that do not lead back, and roots that are none', () => {
    const image = hierarchies();
    image.write('set of cron.cgrp_links.next', ref('freezer:/'));
    expect(() => pathOf(image, 'systemd')).toThrow(ValidationError);
    const rootless = hierarchies();
    rootless.write('freezer:/.root', 0x10);
    expect(() => pathOf(rootless, 'systemd')).toThrow(ValidationError);
  });
});

describe('kernels until 3.14', () => {
  /** cron in /system/cron of the hierarchy that systemd has mounted, before there was kernfs. */
  function old(form: 'name' | 'dentry'): KernelImage {
    const image = new KernelImage();
    image.struct('qstr', { hash: 'u64', name: 'const unsigned char *' });
    image.struct('dentry', { d_flags: 'unsigned int', d_name: 'struct qstr' });
    image.struct('cgroup_name', { rcu_head: 'u64[2]', name: 'char[32]' });
    image.struct('cgroupfs_root', { flags: 'unsigned long', name: 'char[64]' });
    image.struct('cgroup', {
      flags: 'unsigned long',
      parent: 'struct cgroup *',
      root: 'struct cgroupfs_root *',
      ...(form === 'name' ? { name: 'struct cgroup_name *' } : { dentry: 'struct dentry *' }),
    });
    image.struct('cg_cgroup_link', {
      cgrp_link_list: 'struct list_head',
      cgrp: 'struct cgroup *',
      cg_link_list: 'struct list_head',
      cg: 'struct css_set *',
    });
    image.struct('css_set', { cg_links: 'struct list_head', subsys: 'struct cgroup_subsys_state *[1]' });
    image.struct('task_struct', { cgroups: 'struct css_set *' });
    image.place('mounted', 'struct cgroupfs_root', { name: 'systemd' });
    const group = (label: string, name: string, parent?: string): void => {
      if (form === 'name') image.place(`${label} name`, 'struct cgroup_name', { name });
      else image.place(`${label} name`, 'struct dentry', { 'd_name.name': name });
      image.place(label, 'struct cgroup', {
        [form]: ref(`${label} name`),
        parent: parent === undefined ? 0 : ref(parent),
        root: ref('mounted'),
      });
    };
    group('top', '/');
    group('system', 'system', 'top');
    group('service', 'cron', 'system');
    image.place('link', 'struct cg_cgroup_link', { cgrp: ref('service'), cg: 0 });
    image.place('set', 'struct css_set', {});
    image.list('set.cg_links', ['link.cg_link_list']);
    image.place('cron', 'struct task_struct', { cgroups: ref('set') });
    return image;
  }
  const pathOf = (image: KernelImage): string | undefined => {
    const program = programOfImage(image);
    const group = namedCgroup(program, taskCssSet(program, image.address('cron')), 'systemd');
    return group === undefined ? undefined : cgroupPath(program, group);
  };

  it.each(['name', 'dentry'] as const)('go up by parents, each with its %s', (form) => {
    expect(pathOf(old(form))).toBe('/system/cron');
    const program = programOfImage(old(form));
    expect(cgroupPath(program, old(form).address('top'))).toBe('/');
    // No real dump has shown them.
    expect(program.layouts.unproven).toContainEqual(
      expect.objectContaining({
        part: 'struct cgroup',
        layout: `parents and ${form === 'name' ? 'names' : 'dentries'} (until 3.14)`,
      }),
    );
  });

  it('have a number for the memory controller under another name', () => {
    const image = old('name');
    image.struct('cgroup_subsys_state', { cgroup: 'struct cgroup *' });
    image.enum('cgroup_subsys_id', ['mem_cgroup_subsys_id', 'CGROUP_SUBSYS_COUNT']);
    image.place('css', 'struct cgroup_subsys_state', { cgroup: ref('system') });
    image.write('set.subsys[0]', ref('css'));
    expect(taskCgroup(programOfImage(image), image.address('cron'), 'memory')).toBe(image.address('system'));
  });

  it('end where parents are a loop, or are none', () => {
    const looped = old('name');
    looped.write('top.parent', ref('service'));
    expect(() => pathOf(looped)).toThrow(ValidationError);
    const lost = old('name');
    lost.write('system.parent', 0x1234);
    expect(() => pathOf(lost)).toThrow(ValidationError);
    const nameless = old('name');
    nameless.write('service.name', 0);
    expect(() => pathOf(nameless)).toThrow(ValidationError);
  });
});
