/** Parts of incidents that several tests are about. */
import { ref } from './image.ts';
import { getdentsInFault, Incident, type TaskSpec, type TestLock, type TestTask } from './incident.ts';

/** Waiters for a lock, all named `top`, from pid 110 on; the first has waited longest. */
export function tops(incident: Incident, n: number, lock: TestLock, spec: Partial<TaskSpec> = {}): readonly TestTask[] {
  return incident.tasks(n, 'top', (i) => ({ pid: 110 + i, offCpu: 6.4 - 0.01 * i, waits: [lock, 'read'], ...spec }));
}

/**
 * `ps` (pid 96) reads /srv/data and faults on memory that a userfaultfd serves; whose, the test says.
 * @param keeps - its stack shows the lock
 */
export function psFaults(incident: Incident, keeps = true): TestTask {
  const filldir = { func: 'filldir64', keeps: keeps ? [ref(incident.directory.label)] : [] };
  const ps = incident.task('ps', { pid: 96, offCpu: 8.44, stack: getdentsInFault(['handle_userfault'], filldir) });
  incident.held(incident.directory, ps, 'read');
  return ps;
}

/** The variable `a_mutex`, its owner (pid 10), if any, and `n` tasks that wait for it since `seconds`. */
export function behindMutex(n: number, seconds: number, owner: Partial<TaskSpec> | undefined): Incident {
  const incident = new Incident();
  const lock = incident.lock('mutex', 'a_mutex', { global: true });
  if (owner !== undefined) incident.held(lock, incident.task('owner', { pid: 10, offCpu: 1, ...owner }));
  tops(incident, n, lock, { offCpu: seconds });
  return incident;
}

/** Mutexes in a circle: pid 10 + i holds lock i and waits for the next. */
export function circle(incident: Incident, size: number): readonly TestLock[] {
  const locks = Array.from({ length: size }, (_, i) => incident.lock('mutex', `circle ${i}`));
  locks.forEach((lock, i) => {
    const next = locks[(i + 1) % size];
    if (next === undefined) throw new Error('a circle has locks');
    incident.held(lock, incident.task('philosopher', { pid: 10 + i, waits: [next] }));
  });
  return locks;
}
