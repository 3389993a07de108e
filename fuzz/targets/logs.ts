/** Kernel logs that neither the sample nor the scenes have: records of 3.5 to 5.9, a small ring buffer of today. */
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { builtMachine, type Machine } from './pages.ts';

const SIZE = 512;
const TEXTS = [
  'Linux version 4.19.0-fuzz',
  'e1000: link is up',
  'BUG: soft lockup',
  'Kernel panic - not syncing: fuzz',
];

/** `struct printk_log` (`struct log` until 3.10), named by VMCOREINFO alone. */
function records(header: number, type: 'log' | 'printk_log'): KernelImage {
  const image = new KernelImage();
  const ring = Buffer.alloc(SIZE);
  let at = 0;
  TEXTS.forEach((text, i) => {
    const dict = i === 1 ? 'SUBSYSTEM=pci\0DEVICE=+pci:0000:00:03.0' : '';
    const length = Math.ceil((header + text.length + dict.length) / 8) * 8;
    ring.writeBigUInt64LE(BigInt(i) * 1_000_000_000n, at);
    ring.writeUInt16LE(length, at + 8);
    ring.writeUInt16LE(text.length, at + 10);
    ring.writeUInt16LE(dict.length, at + 12);
    ring[at + 15] = (6 << 5) | 2;
    ring.write(text + dict, at + header, 'latin1');
    at += length;
  });
  image.global('log_buf', 'char *', ref('ring'));
  image.global('log_buf_len', 'u32', SIZE);
  image.global('log_first_idx', 'u32', 0);
  image.global('log_next_idx', 'u32', at);
  image.global('log_first_seq', 'u64', 40);
  image.bytes('ring', ring, { align: 4096 });
  for (const name of ['log_buf', 'log_buf_len', 'log_first_idx', 'log_next_idx'])
    image.vmcoreinfo(`SYMBOL(${name})`, image.address(name).toString(16));
  image.vmcoreinfo(`SIZE(${type})`, header);
  for (const [member, offset] of Object.entries({ ts_nsec: 0, len: 8, text_len: 10, dict_len: 12 }))
    image.vmcoreinfo(`OFFSET(${type}.${member})`, offset);
  return image;
}

/** `struct printk_ringbuffer`, since 5.10. */
function ringbuffer(): KernelImage {
  const image = new KernelImage();
  image.struct('dev_printk_info', { subsystem: 'char[16]', device: 'char[48]' });
  image.struct('printk_info', {
    seq: 'u64',
    ts_nsec: 'u64',
    text_len: 'u16',
    facility: 'u8',
    flags: 'u8:5',
    level: 'u8:3',
    caller_id: 'u32',
    dev_info: 'struct dev_printk_info',
  });
  image.struct('prb_data_blk_lpos', { begin: 'unsigned long', next: 'unsigned long' });
  image.struct('prb_desc', { state_var: 'atomic_long_t', text_blk_lpos: 'struct prb_data_blk_lpos' });
  const ends = { head_lpos: 'atomic_long_t', tail_lpos: 'atomic_long_t' };
  image.struct('prb_data_ring', { size_bits: 'unsigned int', data: 'char *', ...ends });
  image.struct('prb_desc_ring', {
    count_bits: 'unsigned int',
    descs: 'struct prb_desc *',
    infos: 'struct printk_info *',
    head_id: 'atomic_long_t',
    tail_id: 'atomic_long_t',
  });
  image.struct('printk_ringbuffer', {
    desc_ring: 'struct prb_desc_ring',
    text_data_ring: 'struct prb_data_ring',
    fail: 'atomic_long_t',
  });
  image.global('prb', 'struct printk_ringbuffer *', ref('ring'));
  image.place('ring', 'struct printk_ringbuffer', {
    'desc_ring.count_bits': 3,
    'desc_ring.descs': ref('descs'),
    'desc_ring.infos': ref('infos'),
    'desc_ring.head_id': TEXTS.length - 1,
    'desc_ring.tail_id': 0,
    'text_data_ring.size_bits': 9,
    'text_data_ring.data': ref('text'),
  });
  const text = new Uint8Array(SIZE);
  image.place('descs', 'struct prb_desc[8]');
  image.place('infos', 'struct printk_info[8]');
  let begin = 0;
  TEXTS.forEach((line, i) => {
    const next = begin + 8 + Math.ceil(line.length / 8) * 8;
    image.write(`descs[${i}]`, {
      state_var: (2n << 62n) | BigInt(i),
      'text_blk_lpos.begin': begin,
      'text_blk_lpos.next': next,
    });
    image.write(`infos[${i}]`, { seq: i, ts_nsec: i * 1000, text_len: line.length, level: 6, caller_id: 1 });
    text[begin] = i;
    text.set(Buffer.from(line), begin + 8);
    begin = next;
  });
  image.bytes('text', text);
  return image;
}

export const LOGS: { readonly [name: string]: () => KernelImage } = {
  'log-3.5': () => records(16, 'log'),
  'log-4.19': () => records(16, 'printk_log'),
  'log-5.4-caller': () => records(20, 'printk_log'),
  'log-5.10': ringbuffer,
};

/** @throws RangeError when there is no log of that name */
export function logMachine(name: string): Machine {
  const make = LOGS[name];
  if (make === undefined) throw new RangeError(`no log is called '${name}'`);
  return builtMachine(programOfImage(make()));
}
