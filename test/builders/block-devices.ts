/**
 * Disks with tags and requests in a KernelImage, in the layouts of several eras.
 *
 *   const blocks = new BlockDevices(image, '6.1');
 *   blocks.disk('sda', { tags: 4 });
 *   blocks.request('r1', 'sda', { tag: 2, state: IN_FLIGHT, sector: 2048, bytes: 4096, start: 5 * SECOND });
 *   blocks.bio('r1', { bi_private: ref('buffer') }, [{ page, bytes: 4096 }]);
 *   blocks.link();                                             // once all are there
 */
import { type VirtAddr, virt } from '../../src/base/address.ts';
import { type KernelImage, ref, struct, type Value } from './image.ts';

/** `5.10`: an array of hardware queues, bitmaps that are pointed to, hd_struct; `6.1`: an XArray; `7.2`: an array again. */
export type BlockEra = '5.10' | '6.1' | '7.2';
export const BLOCK_ERAS: readonly BlockEra[] = ['5.10', '6.1', '7.2'];

export const IDLE = 0;
export const IN_FLIGHT = 1;
export const COMPLETE = 2;
export const SECOND = 1_000_000_000n;

const STRUCT_PAGE = 64;
const MEMMAP = virt(0xffffea0000800000n);

export interface DiskSpec {
  readonly tags?: number;
  /** Tags of its scheduler; none unless said. */
  readonly scheduler?: number;
  /** Shares the tags of another disk. */
  readonly like?: string;
  readonly queue?: { readonly [path: string]: Value };
}

export interface RequestSpec {
  readonly tag?: number;
  /** Of the scheduler. */
  readonly internal?: number;
  readonly state: number;
  /** 0 for a read; REQ_OP_WRITE is 1, REQ_OP_FLUSH 2. */
  readonly flags?: number;
  readonly sector?: number;
  readonly bytes?: number;
  /** `start_time_ns`. */
  readonly start?: bigint;
  readonly timeout?: number;
  readonly deadline?: bigint;
  /** Whether the bit of its tag is set. */
  readonly taken?: boolean;
  readonly ref?: number;
}

export class BlockDevices {
  readonly image: KernelImage;
  readonly #era: BlockEra;
  readonly #disks: string[] = [];
  /** Labels of the tags of the driver, by disk. */
  readonly #tagsOf = new Map<string, string>();
  readonly #bios = new Map<string, number>();
  #pages = 0;

  constructor(image: KernelImage, era: BlockEra) {
    this.image = image;
    this.#era = era;
    const old = era === '5.10';
    const list = 'struct list_head';
    const word = 'unsigned long';
    image.enum('req_op', { REQ_OP_READ: 0, REQ_OP_WRITE: 1, REQ_OP_FLUSH: 2, REQ_OP_DISCARD: 3 });
    image.struct('sbitmap_word', old ? { depth: word, word, cleared: word } : { word, cleared: word });
    image.struct('sbitmap', { depth: 'unsigned int', shift: 'unsigned int', map_nr: 'unsigned int', map: 'void *' });
    if (!this.#has('wait_queue_head')) image.struct('wait_queue_head', { lock: 'spinlock_t', head: list });
    image.struct('sbq_wait_state', { wait: 'struct wait_queue_head', pad: 'u64[5]' });
    image.struct('sbitmap_queue', { sb: 'struct sbitmap', ws: 'void *' });
    const bitmap = old ? 'struct sbitmap_queue *' : 'struct sbitmap_queue';
    image.struct('blk_mq_tags', {
      nr_tags: 'unsigned int',
      nr_reserved_tags: 'unsigned int',
      bitmap_tags: bitmap,
      breserved_tags: bitmap,
      rqs: 'void *',
      static_rqs: 'void *',
    });
    image.struct('blk_mq_hw_ctx', { state: word, tags: 'void *', sched_tags: 'void *' });
    image.struct('xa_node', { shift: 'unsigned char', slots: 'void *[64]' });
    image.struct('xarray', { xa_lock: 'spinlock_t', xa_flags: 'unsigned int', xa_head: 'void *' });
    image.struct('request_queue', {
      mq_ops: 'void *',
      ...(era === '6.1' ? { hctx_table: 'struct xarray' } : { queue_hw_ctx: 'void *' }),
      nr_hw_queues: 'unsigned int',
      rq_qos: 'void *',
      queuedata: 'void *',
      mq_freeze_depth: 'int',
      ...(old ? {} : { quiesce_depth: 'int' }),
      mq_freeze_wq: 'struct wait_queue_head',
    });
    image.struct('request', {
      q: 'void *',
      cmd_flags: 'unsigned int',
      tag: 'int',
      internal_tag: 'int',
      timeout: 'unsigned int',
      __data_len: 'unsigned int',
      __sector: 'u64',
      bio: 'struct bio *',
      start_time_ns: 'u64',
      state: 'unsigned int',
      ref: old ? struct({ refs: 'atomic_t' }) : 'atomic_t',
      deadline: word,
      end_io_data: 'void *',
    });
    image.struct('bio_vec', { bv_page: 'void *', bv_len: 'unsigned int', bv_offset: 'unsigned int' });
    image.struct('bio', {
      bi_next: 'struct bio *',
      bi_iter: struct({ bi_size: 'unsigned int', bi_idx: 'unsigned int', bi_bvec_done: 'unsigned int' }),
      bi_end_io: 'void *',
      bi_private: 'void *',
      bi_io_vec: 'void *',
    });
    if (!this.#has('page')) image.struct('page', { words: `u64[${STRUCT_PAGE / 8}]` });
    image.struct('device', { parent: 'void *' });
    image.struct('gendisk', {
      major: 'int',
      disk_name: 'char[32]',
      part0: old ? struct({ __dev: 'struct device', partno: 'int' }) : 'void *',
      fops: 'void *',
      queue: 'void *',
      private_data: 'void *',
    });
    if (old) image.struct('hd_struct', { __dev: 'struct device', partno: 'int' });
    else image.struct('block_device', { bd_disk: 'void *', bd_device: 'struct device' });
    image.struct('device_private', { knode_class: struct({ n_node: list }), device: 'void *' });
    image.struct('subsys_private', { klist_devices: struct({ k_list: list }) });
    image.struct('class', { p: 'void *' });
    image.place('subsystem', 'struct subsys_private');
    image.global('block_class', 'struct class', { p: ref('subsystem') });
  }

  #has(name: string): boolean {
    try {
      this.image.types.of(`struct ${name}`);
      return true;
    } catch {
      return false;
    }
  }

  disk(name: string, { tags = 8, scheduler, like, queue = {} }: DiskSpec = {}): void {
    const { image } = this;
    if (like === undefined) this.#tags(`${name} tags`, tags);
    this.#tagsOf.set(name, `${like ?? name} tags`);
    if (scheduler !== undefined) this.#tags(`${name} scheduler`, scheduler);
    image.global(`${name}_mq_ops`, 'u64[4]');
    image.place(`${name} hctx`, 'struct blk_mq_hw_ctx', {
      tags: ref(`${like ?? name} tags`),
      sched_tags: scheduler === undefined ? 0 : ref(`${name} scheduler`),
    });
    image.place(`${name} hctxs`, 'void *[1]', [ref(`${name} hctx`)]);
    image.place(`${name} queue`, 'struct request_queue', {
      mq_ops: ref(`${name}_mq_ops`),
      nr_hw_queues: 1,
      ...(this.#era === '6.1' ? { 'hctx_table.xa_head': ref(`${name} hctx`) } : { queue_hw_ctx: ref(`${name} hctxs`) }),
      ...queue,
    });
    image.list(`${name} queue.mq_freeze_wq.head`);
    const old = this.#era === '5.10';
    image.place(name, 'struct gendisk', {
      major: 8,
      disk_name: name,
      queue: ref(`${name} queue`),
      ...(old ? {} : { part0: ref(`${name} whole`) }),
    });
    if (!old) image.place(`${name} whole`, 'struct block_device', { bd_disk: ref(name) });
    const device = old ? ref(`${name}.part0.__dev`) : ref(`${name} whole.bd_device`);
    image.place(`${name} device`, 'struct device_private', { device });
    this.#disks.push(name);
  }

  #tags(label: string, count: number): void {
    const { image } = this;
    const old = this.#era === '5.10';
    image.place(`${label} words`, 'struct sbitmap_word[1]');
    image.place(`${label} ws`, 'struct sbq_wait_state[8]');
    for (let i = 0; i < 8; i++) image.list(`${label} ws[${i}].wait.head`);
    image.place(`${label} rqs`, `void *[${count}]`);
    image.place(`${label} static`, `void *[${count}]`);
    const bitmap = {
      'sb.depth': count,
      'sb.shift': 6,
      'sb.map_nr': 1,
      'sb.map': ref(`${label} words`),
      ws: ref(`${label} ws`),
    };
    if (old) image.place(`${label} bitmap`, 'struct sbitmap_queue', bitmap);
    image.place(label, 'struct blk_mq_tags', {
      nr_tags: count,
      rqs: ref(`${label} rqs`),
      static_rqs: ref(`${label} static`),
      ...(old ? { bitmap_tags: ref(`${label} bitmap`) } : {}),
    });
    if (!old) for (const [path, value] of Object.entries(bitmap)) image.write(`${label}.bitmap_tags.${path}`, value);
  }

  readonly #taken = new Map<string, bigint>();

  request(label: string, disk: string, spec: RequestSpec): void {
    const { image } = this;
    const { tag = -1, internal = -1, taken = true } = spec;
    image.place(label, 'struct request', {
      q: ref(`${disk} queue`),
      tag,
      internal_tag: internal,
      state: spec.state,
      cmd_flags: spec.flags ?? 0,
      __sector: spec.sector ?? 0,
      __data_len: spec.bytes ?? 0,
      start_time_ns: spec.start ?? 0,
      timeout: spec.timeout ?? 7500,
      deadline: spec.deadline ?? 0,
      [this.#era === '5.10' ? 'ref.refs' : 'ref']: spec.ref ?? 1,
    });
    this.#put(this.#tagsOf.get(disk) ?? '', tag, label, taken, internal < 0);
    this.#put(`${disk} scheduler`, internal, label, taken, true);
  }

  #put(tags: string, tag: number, label: string, taken: boolean, own: boolean): void {
    if (tag < 0) return;
    this.image.write(`${tags} rqs[${tag}]`, ref(label));
    if (own) this.image.write(`${tags} static[${tag}]`, ref(label));
    if (!taken) return;
    const bits = (this.#taken.get(tags) ?? 0n) | (1n << BigInt(tag));
    this.#taken.set(tags, bits);
    this.image.write(`${tags} words[0].word`, bits);
  }

  /** A `struct page *` of its own. */
  page(): VirtAddr {
    this.#pages += 16;
    return virt(MEMMAP + BigInt(STRUCT_PAGE * this.#pages));
  }

  /** Another bio of a request, labelled 'bio 0 of r1' and so on unless it has a label already. */
  bio(
    request: string,
    value: { readonly [path: string]: Value } = {},
    parts: readonly { readonly page: bigint; readonly bytes: number }[] = [],
    placed?: string,
  ): string {
    const { image } = this;
    const n = this.#bios.get(request) ?? 0;
    const label = placed ?? `bio ${n} of ${request}`;
    const vectors = `parts ${n} of ${request}`;
    image.place(
      vectors,
      `struct bio_vec[${Math.max(1, parts.length)}]`,
      parts.map(({ page, bytes }) => ({ bv_page: page, bv_len: bytes })),
    );
    const size = parts.reduce((sum, { bytes }) => sum + bytes, 0);
    if (placed === undefined) image.place(label, 'struct bio');
    for (const [path, each] of Object.entries({ bi_io_vec: ref(vectors), 'bi_iter.bi_size': size, ...value }))
      image.write(`${label}.${path}`, each);
    image.write(n === 0 ? `${request}.bio` : `bio ${n - 1} of ${request}.bi_next`, ref(label));
    this.#bios.set(request, n + 1);
    return label;
  }

  link(): void {
    this.image.list(
      'subsystem.klist_devices.k_list',
      this.#disks.map((name) => `${name} device.knode_class.n_node`),
    );
  }
}
