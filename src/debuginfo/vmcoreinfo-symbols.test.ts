import { expect, it } from 'vitest';
import { parseVmcoreinfo } from './vmcoreinfo.ts';
import { vmcoreinfoSymbols } from './vmcoreinfo-symbols.ts';

const table = vmcoreinfoSymbols(
  parseVmcoreinfo(
    Buffer.from(
      'OSRELEASE=6.1.0\nSYMBOL(prb)=ffffffff82001000\nSYMBOL(init_uts_ns)=ffffffff82000040\nSYMBOL(x)=junk\n',
    ),
  ),
);

it('gives the symbols that VMCOREINFO names, and no others', () => {
  expect(table.lookup('prb')).toMatchObject({ name: 'prb', address: 0xffffffff82001000n });
  expect(table.lookupAll('init_uts_ns')).toHaveLength(1);
  expect(table.lookup('x')).toBeUndefined();
  expect(table.lookup('OSRELEASE')).toBeUndefined();
  expect([...table.entries()].map((symbol) => symbol.name)).toEqual(['init_uts_ns', 'prb']);
});

it('names no address: how far a symbol reaches is not known', () => {
  const prb = table.lookup('prb');
  expect(prb === undefined ? 'missing' : table.at(prb.address)).toBeUndefined();
});
