import { describe, expect, it } from 'vitest';
import { Cgroups, type Places } from '../../../test/builders/cgroups.ts';
import { contextOf } from '../../../test/builders/facts.ts';
import { type KernelImage, ref } from '../../../test/builders/image.ts';
import { Incident } from '../../../test/builders/incident.ts';
import { textOf } from '../../../test/builders/text.ts';
import type { Task } from '../../kernel/sched.ts';
import { cgroupData, type CgroupShare, cgroupText, taskCgroupsFact } from './task-cgroups.ts';
import { tasksFact } from './tasks.ts';

/** What is said of the tasks named `crowd`; pids from 20 on in the order of `crowd`, then those of `others`. */
function among(
  crowd: readonly (Places | undefined)[],
  others: readonly Places[] = [],
  damage?: (image: KernelImage) => void,
): CgroupShare & { readonly of: (pid: number) => string | undefined } {
  const incident = new Incident();
  const { image } = incident;
  const cgroups = new Cgroups(image);
  crowd.forEach((_place, i) => incident.task('crowd', { pid: 20 + i }));
  others.forEach((_place, i) => incident.task('other', { pid: 20 + crowd.length + i }));
  [...crowd, ...others].forEach((places, i) => {
    if (places !== undefined) cgroups.put(`task${20 + i}`, places);
  });
  const { use } = contextOf(incident.program(damage));
  const { tasks } = use(tasksFact);
  const fact = use(taskCgroupsFact);
  return {
    ...fact.among(tasks.filter(({ comm }) => comm === 'crowd')),
    of: (wanted) => {
      const task: Task | undefined = tasks.find(({ pid }) => pid === wanted);
      return task === undefined ? 'no such task' : fact.of(task);
    },
  };
}

const times = (n: number, places: Places): readonly Places[] => Array.from({ length: n }, () => places);
const cron = { unified: '/system.slice/cron.service' };
const login = { unified: '/user.slice/user-1000.slice' };

describe('cgroups of a crowd', () => {
  it('names the group that most of them are in', () => {
    const share = among([...times(4, cron), login], [login]);
    expect(share.groups).toEqual([
      { path: '/system.slice/cron.service', tasks: 4 },
      { path: '/user.slice/user-1000.slice', tasks: 1 },
    ]);
    expect(share.common).toEqual({ path: '/system.slice/cron.service', tasks: 4 });
    expect(textOf(cgroupText(share))).toBe('4 of the 5 are in cgroup /system.slice/cron.service');
  });

  it('goes up to what they share when each has a group of its own', () => {
    const sessions = [1, 2, 3, 4].map((n) => ({ unified: `/user.slice/user-7.slice/session-${n}.scope` }));
    const share = among(sessions, [cron]);
    expect(share.common).toEqual({ path: '/user.slice/user-7.slice', tasks: 4 });
    expect(textOf(cgroupText(share))).toBe('all 4 are in cgroup /user.slice/user-7.slice and below it');
    // Neighbours whose names begin alike are no children.
    const alike = among([{ unified: '/a/x' }, { unified: '/a/x' }, { unified: '/a/x' }, { unified: '/a/xy' }], [cron]);
    expect(alike.common).toEqual({ path: '/a/x', tasks: 3 });
  });

  it('says nothing where everybody is in it, where they are in the root, and where no group has most', () => {
    expect(among(times(5, cron), [cron]).common).toBeUndefined();
    expect(among(times(5, cron), [cron, login]).common?.tasks).toBe(5);
    expect(among(times(5, { unified: '/' }), [cron]).common).toBeUndefined();
    const mixed = among([...times(3, cron), ...times(2, login)], [cron]);
    expect(mixed.common).toBeUndefined();
    expect(cgroupText(mixed)).toEqual([]);
  });

  it("takes systemd's hierarchy where version 2 sorts nobody", () => {
    const old = { other: '/x', systemd: '/system.slice/cron.service' };
    const share = among(times(3, old), [{ systemd: '/init.scope' }]);
    expect(share.common).toEqual({ path: '/system.slice/cron.service', tasks: 3 });
    // A hierarchy of another name is none of systemd's.
    expect(among(times(3, { other: '/x' }), [{ other: '/y' }]).groups).toEqual([{ path: '/', tasks: 3 }]);
  });

  it('counts those whose group is not known, and lists no more than ten', () => {
    const many = Array.from({ length: 12 }, (_, i) => ({ unified: `/g${i}` }));
    const share = among([...many, undefined, undefined]);
    expect(share.unknown).toBe(2);
    expect(cgroupData(share)).toMatchObject({ more: { value: 2 }, unknown: { value: 2 }, common: undefined });
    expect(cgroupData(among([undefined]))).toBeUndefined();
  });

  it('ends where the way up is a loop, and does not believe links that lead nowhere', () => {
    const looped = among(times(3, cron), [login], (image) =>
      image.write('unified:/system_slice kn.parent', ref('unified:/system_slice/cron_service kn')),
    );
    expect([looped.unknown, looped.of(23)]).toEqual([3, '/user.slice/user-1000.slice']);
    const places = { systemd: '/a' };
    expect(among([places], []).of(20)).toBe('/a');
    const broken = among([places], [], (image) => image.write('set of task20.cgrp_links.next', 0x1000));
    expect(broken.of(20)).toBe('/');
  });
});
