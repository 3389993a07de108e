/** Sizes as people read them, in reports and in tables of commands alike; a number that is none is shown as `?`. */
const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

/** Bytes in binary units with about three digits: 512 B, 4 KiB, 15.4 GiB, 232 MiB. */
export function formatBytes(value: number): string {
  if (!Number.isFinite(value)) return '?';
  let size = Math.abs(value);
  let unit = 0;
  // 1023.95 MiB would be rounded up to 1024 MiB.
  while (size >= 1023.5 && unit < units.length - 1) {
    size /= 1024;
    unit++;
  }
  const digits = size < 99.95 && !Number.isInteger(size) ? size.toFixed(1) : size.toFixed(0);
  return `${value < 0 ? '-' : ''}${digits} ${units[unit]}`;
}
