import { describe, expect, it } from 'vitest';
import { contextOf } from '../../../test/builders/facts.ts';
import { Incident } from '../../../test/builders/incident.ts';
import { taskOriginsFact } from './task-origins.ts';

describe('taskOriginsFact', () => {
  it('follows children of the same name up to who began', () => {
    const incident = new Incident();
    const shell = incident.task('bash', { pid: 90 });
    let last = incident.task('worker', { pid: 100, parent: shell });
    for (let pid = 101; pid < 120; pid++) last = incident.task('worker', { pid, parent: last });
    const { most } = contextOf(incident.program()).use(taskOriginsFact);
    // All but the first, which the shell started.
    expect(most).toMatchObject({ kind: 'processes', tasks: 19, comm: 'worker', origin: { pid: 100 } });
  });

  it('names the parent of many of another name', () => {
    const incident = new Incident();
    const cron = incident.task('cron', { pid: 90 });
    for (let pid = 101; pid < 120; pid++) incident.task('sh', { pid, parent: cron });
    const { most } = contextOf(incident.program()).use(taskOriginsFact);
    expect(most).toMatchObject({ kind: 'processes', tasks: 19, comm: 'sh', origin: { pid: 90 } });
  });

  it('tells threads by their process', () => {
    const incident = new Incident();
    const shell = incident.task('bash', { pid: 90 });
    const leader = incident.task('java', { pid: 100, parent: shell });
    for (let pid = 101; pid < 120; pid++) incident.task('pool', { pid, leader, parent: shell });
    const { most } = contextOf(incident.program()).use(taskOriginsFact);
    expect(most).toMatchObject({ kind: 'threads', tasks: 20, origin: { pid: 100 } });
  });

  it('knows nobody for what init has started or adopted', () => {
    const incident = new Incident();
    for (let pid = 101; pid < 120; pid++) incident.task('daemon', { pid });
    expect(contextOf(incident.program()).use(taskOriginsFact).most).toBeUndefined();
  });
});
