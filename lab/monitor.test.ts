import { describe, expect, it } from 'vitest';
import { monitorCommands } from './monitor.ts';

describe('monitorCommands', () => {
  it('takes what is asked of the monitor, in order, among what else the guest tells', () => {
    const truth =
      '{"truth":"text","name":"release","value":"6.12"}\r\n{"monitor":"mce 0 3 0xbe00000000000090 0x4 0x1000 0x8c"}\n{"monitor":"info status"}\n';
    expect(monitorCommands(truth)).toEqual(['mce 0 3 0xbe00000000000090 0x4 0x1000 0x8c', 'info status']);
  });

  it('leaves a line alone that is not whole yet', () => {
    expect(monitorCommands('{"monitor":"info status"}\n{"monitor":"mce 0 3 0xbe"}')).toEqual(['info status']);
  });
});
