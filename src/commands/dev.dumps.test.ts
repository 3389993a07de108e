/** The layout is crash 9.0.2's for an ELF dump with such notes. */
import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import { KernelImage } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import dev from './dev.ts';

function note(name: string, bytes: Uint8Array, offset?: number) {
  const label = Buffer.alloc(44);
  label.write(name, 'latin1');
  const desc = new Uint8Array(Buffer.concat([label, bytes]));
  return { name: 'LINUX', type: 0x700, desc, ...(offset === undefined ? {} : { offset }) };
}

const { run, json } = commandRunner(
  [dev],
  programOfImage(new KernelImage(), {
    dump: {
      notes: [
        { name: 'CORE', type: 1, desc: new Uint8Array(336) },
        note('qlogic_b', Buffer.from('hello device dump 2!\0\0\0\0\0\0\0\0\0\0\0\0', 'latin1'), 0x1718),
        note('short', Buffer.of(1, 2, 3)),
        // Other notes of Linux, and one that has no room for a name.
        { name: 'LINUX', type: 0x46e62b7f, desc: new Uint8Array(100) },
        { name: 'LINUX', type: 0x700, desc: new Uint8Array(40) },
      ],
    },
  }),
);
const trimmed = (line: string): string[] => run(line).lines.map((each) => each.trimEnd());

test('-V: which dumps of devices there are', () => {
  expect(trimmed('dev -V')).toEqual([
    'INDEX  OFFSET             SIZE             NAME',
    '  0    0x1744             32               qlogic_b',
    '  1    ?                  3                short',
  ]);
  expect(json('dev -V')).toMatchObject({ data: [{ offset: 0x1744, size: 32, name: 'qlogic_b' }, { size: 3 }] });
  expect(commandRunner([dev]).run('dev -V').lines).toEqual(['no device dumps found in this dumpfile']);
});

test('-v: the bytes of one', () => {
  expect(trimmed('dev -v 0')).toEqual([
    'DEVICE: qlogic_b',
    '            1744:  6564206f6c6c6568 6d75642065636976   hello device dum',
    '            1754:  0000000021322070 0000000000000000   p 2!............',
  ]);
  expect(trimmed('dev -v 1')[1]).toMatch(/^ {15}0: {2}01 02 03 +\.\.\.$/);
  expect(json('dev -v 1')).toMatchObject({ data: { name: 'short', size: 3, hex: '010203' } });
  expect(run('dev -v 2').failures).toEqual(["dev: index '2': must be a number from 0 to 1"]);
  expect(commandRunner([dev]).run('dev -v 0').failures).toEqual(['dev: no device dumps found in this dumpfile']);
});
