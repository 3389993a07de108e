/** `swap`: the swap areas and how full they are. */
import { swapAreas } from '../kernel/swap.ts';
import { defineCommand } from '../model/command.ts';
import { shown } from '../model/shape.ts';
import { address, byteCount, name } from '../model/value.ts';
import { hex16 } from '../shell/format.ts';
import { pathText } from '../shell/file-type.ts';

export default defineCommand({
  name: 'swap',
  summary: 'the swap areas',
  options: [],
  arguments: [],
  examples: [{ line: 'swap', what: 'size, use and priority of each' }],
  run({ program }) {
    const kib = (pages: number) => shown(`${(pages * program.pageSize) / 1024}k`, byteCount(pages * program.pageSize));
    return {
      shape: 'table',
      header: 'SWAP_INFO_STRUCT    TYPE       SIZE       USED     PCT  PRI  FILENAME',
      columns: [
        { key: 'info', label: 'SWAP_INFO_STRUCT', align: 'left', width: 16 },
        { key: 'type', label: 'TYPE', align: 'left', width: 9 },
        { key: 'size', label: 'SIZE', align: 'right', width: 10, gap: 1 },
        { key: 'used', label: 'USED', align: 'right', width: 10, gap: 1 },
        { key: 'percent', label: 'PCT', align: 'right', width: 4, gap: 1 },
        { key: 'priority', label: 'PRI', align: 'right', width: 4, gap: 1 },
        { key: 'filename', label: 'FILENAME', align: 'left' },
      ],
      rows: swapAreas(program).map(({ info, type, pages, used, priority, path }) => [
        shown(hex16(info), address(info)),
        type,
        kib(pages),
        kib(used),
        pages === 0 ? undefined : shown(`${Math.floor((used * 100) / pages)}%`, used / pages),
        shown(`${priority}`, priority),
        path === undefined ? undefined : name(pathText(path)),
      ]),
    };
  },
});
