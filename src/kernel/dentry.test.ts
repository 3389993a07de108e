import { describe, expect, it } from 'vitest';
import { programOfImage } from '../../test/builders/program.ts';
import { ref } from '../../test/builders/image.ts';
import { Vfs } from '../../test/builders/vfs.ts';
import { FaultError, ValidationError } from '../base/errors.ts';
import { dentryInode, dentryName, dentryPath, isUnlinked, wayUp } from './dentry.ts';

describe('dentries', () => {
  it('have names, inodes and a way up to a root', () => {
    const { image } = new Vfs('6.1');
    const program = programOfImage(image);
    const report = image.address('report_dentry');
    expect(dentryName(program, report)).toBe('report');
    expect(dentryName(program, image.address('root_dentry'))).toBe('/');
    expect(dentryInode(program, report)).toBe(image.address('report_inode'));
    expect(dentryInode(program, image.address('ghost_dentry'))).toBeUndefined();
    expect(dentryPath(program, image.address('data_dentry'))).toBe('/srv/data');
    expect(dentryPath(program, image.address('root_dentry'))).toBe('/');
    expect(wayUp(program, image.address('data_dentry'), image.address('srv_dentry'))).toEqual({
      names: ['data'],
      top: image.address('srv_dentry'),
    });
  });

  it('are unlinked when they are in no hash chain and no root', () => {
    const { image } = new Vfs('6.1');
    image.write('root_dentry.d_hash.pprev', 0);
    const program = programOfImage(image);
    const unlinked = (label: string): boolean => isUnlinked(program, image.address(`${label}_dentry`));
    expect([unlinked('report'), unlinked('gone'), unlinked('root')]).toEqual([false, true, false]);
  });

  it('read a name with bytes that are no UTF-8, without one lost', () => {
    const { image } = new Vfs('6.1');
    image.bytes('name', Uint8Array.of(0x61, 0xff, 0x0a, 0));
    image.write('report_dentry.d_name.name', ref('name'));
    image.write('report_dentry.d_name.len', 3);
    expect(dentryName(programOfImage(image), image.address('report_dentry'))).toBe('a\u00ff\n');
  });

  it('end with an error where parents run in a circle, are no pointers or cannot be read', () => {
    const { image } = new Vfs('6.1');
    const climb = (parent: ReturnType<typeof ref> | number): (() => unknown) => {
      image.write('srv_dentry.d_parent', parent);
      const program = programOfImage(image);
      return () => dentryPath(program, image.address('data_dentry'));
    };
    expect(climb(ref('data_dentry'))).toThrow(ValidationError);
    expect(climb(ref('root_dentry', 3))).toThrow(ValidationError);
    expect(climb(0)).toThrow(ValidationError);
    image.place('lost', 'struct dentry', {}, { page: 'excluded' });
    expect(climb(ref('lost'))).toThrow(FaultError);
  });

  it('end with an error for a name of absurd length', () => {
    const { image } = new Vfs('6.1');
    image.write('report_dentry.d_name.len', 0xffffffff);
    const program = programOfImage(image);
    expect(() => dentryName(program, image.address('report_dentry'))).toThrow(ValidationError);
  });
});
