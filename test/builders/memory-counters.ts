/**
 * The counters behind /proc/meminfo in a KernelImage, in the layout since 4.8: one node with one zone, whose min
 * watermark is 64 MiB. Nothing else is counted.
 */
import type { KernelImage } from './image.ts';

const PAGE = 4096;
const MIB = 2 ** 20;

/** @param state - bytes */
export function placeMemory(
  image: KernelImage,
  { total, free }: { readonly total: number; readonly free: number },
): void {
  image.enum('zone_stat_item', ['NR_FREE_PAGES']);
  const counted = ['NR_INACTIVE_FILE', 'NR_ACTIVE_FILE', 'NR_SLAB_RECLAIMABLE_B', 'NR_KERNEL_MISC_RECLAIMABLE'];
  image.enum('node_stat_item', counted);
  image.enum('zone_watermarks', ['WMARK_MIN', 'WMARK_LOW', 'WMARK_HIGH']);
  image.struct('zone', {
    _watermark: 'unsigned long[3]',
    watermark_boost: 'unsigned long',
    lowmem_reserve: 'long[2]',
    zone_start_pfn: 'unsigned long',
    managed_pages: 'atomic_long_t',
    spanned_pages: 'unsigned long',
    present_pages: 'unsigned long',
    name: 'char *',
    vm_stat: 'atomic_long_t[1]',
  });
  image.struct('pglist_data', { node_zones: 'struct zone[1]', nr_zones: 'int', node_id: 'int' });
  image.function('si_mem_available');
  const pages = total / PAGE;
  image.global('_totalram_pages', 'atomic_long_t', pages);
  image.global('totalreserve_pages', 'unsigned long', 0);
  image.global('vm_zone_stat', 'atomic_long_t[1]', [free / PAGE]);
  image.global('vm_node_stat', `atomic_long_t[${counted.length}]`);
  image.global('contig_page_data', 'struct pglist_data', {
    'node_zones[0]._watermark': [64, 80, 96].map((size) => (size * MIB) / PAGE),
    'node_zones[0].managed_pages': pages,
    'node_zones[0].spanned_pages': pages,
    'node_zones[0].present_pages': pages,
    'node_zones[0].name': 'Normal',
    'node_zones[0].vm_stat': [free / PAGE],
    nr_zones: 1,
  });
}

/** Changes how much is free, in bytes, in both places where the kernel counts it. */
export function setFree(image: KernelImage, free: number): void {
  image.write('vm_zone_stat[0]', free / PAGE);
  image.write('contig_page_data.node_zones[0].vm_stat[0]', free / PAGE);
}
