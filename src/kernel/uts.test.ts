import { describe, expect, it } from 'vitest';
import { KernelImage } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { LookupError } from '../base/errors.ts';
import { commandLine, utsName } from './uts.ts';

function image(): KernelImage {
  const made = new KernelImage();
  const text = 'char[65]';
  made.struct('new_utsname', {
    sysname: text,
    nodename: text,
    release: text,
    version: text,
    machine: text,
    domainname: text,
  });
  made.struct('uts_namespace', { name: 'struct new_utsname', user_ns: 'void *' });
  made.global('init_uts_ns', 'struct uts_namespace', {
    name: { sysname: 'Linux', nodename: 'db1', release: '6.1.0-56', version: '#1 SMP', machine: 'x86_64' },
  });
  return made;
}

describe('utsName', () => {
  it('reads the initial namespace', () => {
    expect(utsName(programOfImage(image()))).toEqual({
      sysname: 'Linux',
      nodename: 'db1',
      release: '6.1.0-56',
      version: '#1 SMP',
      machine: 'x86_64',
    });
  });

  it('never reads beyond a name without end', () => {
    const made = image();
    made.write('init_uts_ns.name.release', 'r'.repeat(65));
    expect(utsName(programOfImage(made)).release).toBe('r'.repeat(65));
  });

  it('throws where there is none', () => {
    expect(() => utsName(programOfImage(new KernelImage()))).toThrow(LookupError);
  });
});

describe('commandLine', () => {
  it('is what the kernel was booted with, or unknown', () => {
    const made = image();
    made.global('saved_command_line', 'char *', 'ro quiet crashkernel=160M');
    expect(commandLine(programOfImage(made)).value).toBe('ro quiet crashkernel=160M');
    made.write('saved_command_line', 0xffff999900000000n);
    expect(commandLine(programOfImage(made))).toMatchObject({ value: undefined, source: 'saved_command_line' });
  });
});
