/** The lines are crash 9.0.2's on the full dump that the sample was made of. */
import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import ipcs from './ipcs.ts';

const { run, json } = commandRunner([ipcs]);

test('none of them', () => {
  expect(run('ipcs')).toMatchObject({
    lines: [
      'SHMID_KERNEL     KEY      SHMID      UID   PERMS BYTES      NATTCH STATUS',
      '(none allocated)',
      '',
      'SEM_ARRAY        KEY      SEMID      UID   PERMS NSEMS',
      '(none allocated)',
      '',
      'MSG_QUEUE        KEY      MSQID      UID   PERMS USED-BYTES   MESSAGES',
      '(none allocated)',
    ],
    problems: [],
  });
  expect(json('ipcs -m -n 1')).toMatchObject({ items: [{ data: { kind: 'shared_memory', objects: [] } }] });
});

test('with what they take; what is not there', () => {
  expect(run('ipcs -M')).toMatchObject({
    lines: ['SHMID_KERNEL     KEY      SHMID      UID   PERMS BYTES      NATTCH STATUS', '(none allocated)'],
    problems: [],
  });
  expect(run('ipcs -M 7')).toMatchObject({ lines: [], failures: ['no object has the id or address 7'] });
  expect(run('ipcs zz').failures).toEqual(["ipcs: 'zz' is no id and no address"]);
});
