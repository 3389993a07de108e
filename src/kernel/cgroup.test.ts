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
