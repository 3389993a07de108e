/** `union`: as `struct`, for those who write what it is. */
import { defineCommand } from '../model/command.ts';

export default defineCommand({
  name: 'union',
  summary: 'as struct, for unions',
  options: [
    { flag: 'o', summary: 'offsets of the members; with an address, their addresses' },
    { flag: 'l', value: 'offset', kind: 'member', summary: 'the address is that of a member: bytes, or TYPE.MEMBER' },
    { flag: 'r', summary: 'raw memory instead of members' },
    { flag: 'p', summary: 'what a member points to as well' },
    { flag: 'u', summary: 'in the user memory of the chosen task' },
    { flag: 'x', summary: 'numbers in hex' },
    { flag: 'd', summary: 'numbers in decimal' },
    { flag: 'c', value: 'count', kind: 'number', summary: 'so many, one behind the other' },
  ],
  arguments: [
    { name: 'TYPE[.MEMBER[,MEMBER]]', kinds: ['type', 'member'] },
    { name: 'address | symbol', kinds: ['symbol', 'address'], optional: true },
    { name: 'count', kinds: ['number'], optional: true },
  ],
  examples: [{ line: 'union sigval', what: 'its definition' }],
  run({ call }, args) {
    const flags = ['o', 'r', 'p', 'u', 'x', 'd'].filter((flag) => args.has(flag)).map((flag) => `-${flag}`);
    const values = ['l', 'c'].flatMap((flag) => {
      const value = args.value(flag);
      return value === undefined ? [] : [`-${flag}`, value];
    });
    return call('struct', [...flags, ...values, ...args.positionals]);
  },
});
