/** The memory counters and the files of the case in proc-directory.ts: a root file system, and /proc. */
import { type KernelImage, ref } from '../builders/image.ts';
import { assumed, known } from './proc-directory-numbers.ts';

const PAGE = 4096;
const S_IFDIR = 0o40555;
const HZ = 1000n;

/** One node with three zones, counters as in 3.10: one array for all of them. */
export function placeMemory(image: KernelImage): void {
  const { total, free } = known.pages;
  const minFree = (assumed.minFreeKiB * 1024) / PAGE;
  let start = 0;
  const zones = assumed.zones.map(([name, pages]) => {
    const min = Math.round((minFree * pages) / total);
    const zone = {
      watermark: [min, min + (min >> 2), min + (min >> 1)],
      zone_start_pfn: start,
      spanned_pages: pages,
      present_pages: pages,
      managed_pages: pages,
      name,
    };
    start += pages;
    return zone;
  });
  image.place('node', 'struct pglist_data', { node_zones: zones, nr_zones: zones.length });
  image.global('node_data', 'struct pglist_data *[1]', [ref('node')]);
  image.global('nr_node_ids', 'int', 1);
  image.global('totalram_pages', 'unsigned long', total);
  image.global('totalreserve_pages', 'unsigned long', 0);
  image.global('min_free_kbytes', 'int', assumed.minFreeKiB);
  image.global('total_swap_pages', 'long', 0);
  image.global('nr_swap_pages', 'atomic_long_t', 0);
  image.global('nr_swapfiles', 'unsigned int', 0);
  image.global('swapper_spaces', 'struct address_space[32]');
  image.global('sysctl_overcommit_ratio', 'int', 50);
  image.global('vm_committed_as', 'struct percpu_counter', { count: Math.round((total / 2) * known.committed) });
  const slab = assumed.slabReclaimable / PAGE;
  image.global('vm_stat', `atomic_long_t[${image.types.enumerator('NR_VM_ZONE_STAT_ITEMS')}]`);
  for (const [name, pages] of [
    ['NR_FREE_PAGES', free],
    ['NR_FILE_PAGES', known.cached / PAGE],
    ['NR_INACTIVE_FILE', known.cached / PAGE / 2],
    ['NR_ACTIVE_FILE', known.cached / PAGE / 2],
    ['NR_SLAB_RECLAIMABLE', slab],
    ['NR_SLAB_UNRECLAIMABLE', known.slab / PAGE - slab],
  ] as const) {
    const item = image.types.enumerator(name);
    image.write(`vm_stat[${item}]`, pages);
    // The sum over the zones: all in the last.
    image.write(`node.node_zones[${zones.length - 1}].vm_stat[${item}]`, pages);
  }
  // The clocks of a machine without a timekeeper: ticks.
  image.global('tick_nsec', 'unsigned long', 1_000_000);
  image.global('jiffies_64', 'u64', (1n << 32n) - 300n * HZ + (assumed.clock * HZ) / 1_000_000_000n);
}

/** `proc_inode` is the inode of /proc. */
export function placeFiles(image: KernelImage): void {
  image.global('super_blocks', 'struct list_head');
  for (const [name, type] of [
    ['root', 'xfs'],
    ['proc', 'proc'],
    ['bdev', 'bdev'],
  ] as const) {
    image.place(`${name}_type`, 'struct file_system_type', { name: type });
    image.place(`${name}_sb`, 'struct super_block', { s_type: ref(`${name}_type`), s_id: type });
    image.list(`${name}_sb.s_inodes`);
    image.list(`${name}_sb.s_mounts`);
  }
  image.list('super_blocks', ['root_sb.s_list', 'proc_sb.s_list', 'bdev_sb.s_list']);
  image.global('blockdev_superblock', 'struct super_block *', ref('bdev_sb'));
  entry(image, 'root', { name: '/', sb: 'root_sb' });
  entry(image, 'mountpoint', { name: 'proc', sb: 'root_sb', parent: 'root' });
  entry(image, 'proc', { name: '/', sb: 'proc_sb' });
  image.place('ns', 'struct mnt_namespace', { root: ref('root_mount') });
  image.place('nsproxy', 'struct nsproxy', { mnt_ns: ref('ns') });
  mount(image, 'root', { parent: 'root_mount', on: 'root_dentry' });
  mount(image, 'proc', { parent: 'root_mount', on: 'mountpoint_dentry' });
  image.list('ns.list', ['root_mount.mnt_list', 'proc_mount.mnt_list']);
}

function entry(
  image: KernelImage,
  label: string,
  { name, sb, parent = label }: { readonly name: string; readonly sb: string; readonly parent?: string },
): void {
  image.place(`${label}_dentry`, 'struct dentry', {
    'd_hash.pprev': ref(`${sb}.s_id`),
    d_parent: ref(`${parent}_dentry`),
    'd_name.len': name.length,
    'd_name.name': name,
    d_inode: ref(`${label}_inode`),
    d_sb: ref(sb),
  });
  const inode = `${label}_inode`;
  image.place(inode, 'struct inode', {
    i_mode: S_IFDIR,
    i_sb: ref(sb),
    i_mapping: ref(`${inode}.i_data`),
    i_ino: 1,
    i_nlink: 2,
    i_mutex: { count: 1 },
    'i_data.host': ref(inode),
  });
  image.list(`${inode}.i_mutex.wait_list`);
  image.hlist(`${inode}.i_dentry`, [`${label}_dentry.d_alias`]);
}

function mount(image: KernelImage, name: string, at: { readonly parent: string; readonly on: string }): void {
  const label = `${name}_mount`;
  image.place(label, 'struct mount', {
    mnt_parent: ref(at.parent),
    mnt_mountpoint: ref(at.on),
    'mnt.mnt_root': ref(`${name}_dentry`),
    'mnt.mnt_sb': ref(`${name}_sb`),
    mnt_devname: name,
    mnt_ns: ref('ns'),
  });
  image.write(`${name}_sb.s_root`, ref(`${name}_dentry`));
  image.list(`${name}_sb.s_mounts`, [`${label}.mnt_instance`]);
}
