/** VMCOREINFO and the symbols that it names: never throws, and means what its lines say. */
import { parseVmcoreinfo } from '../../src/debuginfo/vmcoreinfo.ts';
import { vmcoreinfoSymbols } from '../../src/debuginfo/vmcoreinfo-symbols.ts';
import type { DumpFile } from '../../src/dump/dump-file.ts';
import { openDump } from '../../src/dump/open.ts';
import type { Base, Parts, Summary } from '../input.ts';
import { modelVmcoreinfo } from '../models/note-model.ts';
import { Random } from '../random.ts';
import type { Target } from '../target.ts';
import { check, checkSame } from '../violation.ts';
import { SAMPLE } from './kdump.ts';

const KEYS = ['_stext', 'init_uts_ns', 'phys_base', 'page', 'list_head.next', 'node_data', 'prb', 'a b', ''];

function text(random: Random): string {
  const lines = ['OSRELEASE=6.1.0-fuzz', 'PAGESIZE=4096', 'BUILD-ID=0123456789abcdef0123456789abcdef01234567'];
  for (let i = random.below(12); i > 0; i--) {
    const kind = random.pick(['SYMBOL', 'NUMBER', 'SIZE', 'OFFSET', 'LENGTH']);
    const value = kind === 'SYMBOL' ? random.u64().toString(16) : String(random.below(100_000));
    lines.push(`${kind}(${random.pick(KEYS)})=${value}`);
  }
  lines.push('KERNELOFFSET=1a000000', 'CRASHTIME=1700000000');
  return `${lines.join('\n')}\n`;
}

function hexOrNothing(value: string | undefined): bigint | undefined {
  return value !== undefined && /^(0x)?[0-9a-f]{1,16}$/i.test(value)
    ? BigInt(`0x${value.replace(/^0x/i, '')}`)
    : undefined;
}

function run(parts: Parts): Summary {
  const bytes = parts.get('text');
  const info = parseVmcoreinfo(bytes);
  const model = modelVmcoreinfo(bytes);
  checkSame('keys', info.keys().length, model.size);
  const summary: (string | number)[] = [model.size];
  for (const [key, value] of model) {
    checkSame(`text of ${key}`, info.text(key), value);
    const [, kind, name = ''] = /^([A-Z]+)\((.*)\)$/s.exec(key) ?? [];
    if (kind === 'SYMBOL') checkSame(key, info.symbol(name), hexOrNothing(value));
    for (const count of [info.size(name), info.offset(name), info.length(name)]) {
      check(count === undefined || (Number.isSafeInteger(count) && count >= 0), () => `${key} is ${count}`);
    }
    const number = info.number(name);
    check(number === undefined || (number >= -(2n ** 63n) && number < 2n ** 64n), () => `${key} is ${number}`);
    if (kind === 'NUMBER' && /^-?[0-9]{1,18}$/.test(value)) checkSame(key, number, BigInt(value));
  }
  const { osRelease, buildId, pageSize, crashTime, kernelOffset } = info;
  summary.push(typeof osRelease, typeof buildId, pageSize ?? 'no size', typeof crashTime, typeof kernelOffset);
  const symbols = vmcoreinfoSymbols(info);
  let before = 0n;
  for (const { name, address } of symbols.entries()) {
    check(address >= before, () => `${name} is out of order`);
    before = address;
    checkSame(`address of ${name}`, symbols.lookup(name)?.address, address);
    checkSame(`symbols called ${name}`, symbols.lookupAll(name).length, 1);
  }
  return [...summary, symbols.count];
}

export function sampleVmcoreinfo(): Uint8Array {
  const dump: DumpFile = openDump(SAMPLE);
  try {
    return Uint8Array.from(dump.vmcoreinfo ?? []);
  } finally {
    dump.close();
  }
}

export const vmcoreinfo: Target = {
  name: 'vmcoreinfo',
  reads: 'VMCOREINFO and its symbols (debuginfo/vmcoreinfo)',
  throws: [],
  bases: [
    { name: 'vmcoreinfo#', weight: 3 },
    { name: 'sample', weight: 1 },
  ],
  allocates: { fixed: 2 ** 20, perByte: 64 },
  base(name): Base {
    const bytes = name === 'sample' ? sampleVmcoreinfo() : Uint8Array.from(Buffer.from(text(new Random(name))));
    return { parts: new Map([['text', bytes]]), fields: [], texts: ['text'], run };
  },
};
