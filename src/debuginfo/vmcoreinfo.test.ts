import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseVmcoreinfo } from './vmcoreinfo.ts';

const parse = (text: string) => parseVmcoreinfo(Buffer.from(text, 'latin1'));

describe('parseVmcoreinfo', () => {
  const info = parse(
    [
      'OSRELEASE=6.1.0-56-cloud-amd64',
      'BUILD-ID=3B43fad5034874490492495d552c0af6a5fab235',
      'PAGESIZE=4096',
      'SYMBOL(_stext)=ffffffffa5400000',
      'OFFSET(uts_namespace.name)=0',
      'LENGTH(mem_section)=2048',
      'SIZE(page)=64',
      'NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)=-129',
      'NUMBER(phys_base)=-1962934272',
      'NUMBER(KERNELPACMASK)=0xff80000000000000',
      'KERNELOFFSET=24400000',
      'CRASHTIME=1763888888',
      'CONFIG_X86_PAE=y',
      '',
    ].join('\n'),
  );

  test('reads each kind of value', () => {
    expect(info.osRelease).toBe('6.1.0-56-cloud-amd64');
    expect(info.buildId).toBe('3b43fad5034874490492495d552c0af6a5fab235');
    expect(info.pageSize).toBe(4096);
    expect(info.symbol('_stext')).toBe(0xffffffffa5400000n);
    expect(info.offset('uts_namespace.name')).toBe(0);
    expect(info.length('mem_section')).toBe(2048);
    expect(info.size('page')).toBe(64);
    expect(info.number('PAGE_BUDDY_MAPCOUNT_VALUE')).toBe(-129n);
    expect(info.number('phys_base')).toBe(-1962934272n);
    expect(info.number('KERNELPACMASK')).toBe(0xff80000000000000n);
    expect(info.kernelOffset).toBe(0x24400000n);
    expect(info.crashTime).toBe(1763888888n);
    expect(info.text('CONFIG_X86_PAE')).toBe('y');
    expect(info.keys()).toHaveLength(13);
    expect(info.keys()[3]).toBe('SYMBOL(_stext)');
  });

  test('what is not there is undefined', () => {
    expect(info.symbol('init_task')).toBeUndefined();
    expect(info.number('_stext')).toBeUndefined();
    expect(info.text('SYMBOL(init_task)')).toBeUndefined();
    const empty = parse('');
    expect([empty.osRelease, empty.pageSize, empty.crashTime, empty.kernelOffset]).toEqual(Array(4).fill(undefined));
  });

  test('a text that was cut off keeps all lines before the cut', () => {
    const cut = parse('PAGESIZE=4096\nSYMBOL(_stext)=ffffffffa5400000\nSYMBOL(init_uts_n');
    expect(cut.pageSize).toBe(4096);
    expect(cut.keys()).toEqual(['PAGESIZE', 'SYMBOL(_stext)']);
  });

  test('the first of several equal keys counts, and nothing behind a NUL', () => {
    expect(parse('PAGESIZE=4096\nPAGESIZE=8192\n').pageSize).toBe(4096);
    expect(parse('A=1\n\0PAGESIZE=4096\n').pageSize).toBeUndefined();
  });

  test('values that are no numbers are undefined, but have a text', () => {
    const junk = parse(
      'SYMBOL(a)=xyz\nNUMBER(b)=12.5\nSIZE(c)=-1\nSYMBOL(d)=1ffffffffffffffff\nBUILD-ID=\x01\x02\n=5\n',
    );
    expect(junk.symbol('a')).toBeUndefined();
    expect(junk.number('b')).toBeUndefined();
    expect(junk.size('c')).toBeUndefined();
    expect(junk.symbol('d')).toBeUndefined();
    expect(junk.buildId).toBeUndefined();
    expect(junk.text('SYMBOL(a)')).toBe('xyz');
    expect(junk.keys()).not.toContain('');
  });

  test('reads 64 KiB at most', () => {
    const info = parse(`A=1\n${'x'.repeat(70_000)}\nB=2\n`);
    expect(info.text('A')).toBe('1');
    expect(info.text('B')).toBeUndefined();
  });

  test('never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const info = parseVmcoreinfo(bytes);
        for (const key of info.keys()) expect(info.text(key)).toBeTypeOf('string');
      }),
      { numRuns: 300 },
    );
  });
});
