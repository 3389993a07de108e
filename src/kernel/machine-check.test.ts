import { expect, it } from 'vitest';
import type { LogRecord } from './log-record.ts';
import { machineChecks } from './machine-check.ts';

function log(text: string, facility = 0): LogRecord[] {
  return text
    .trim()
    .split('\n')
    .map((line, i) => ({
      seq: BigInt(i),
      timeNs: undefined,
      level: 1,
      facility,
      caller: undefined,
      continuation: false,
      device: undefined,
      text: line,
    }));
}

const FATAL = `
mce: [Hardware Error]: CPU 7: Machine Check Exception: 5 Bank 4: be00000000800400
mce: [Hardware Error]: RIP !INEXACT! 33:<00007f181dce2d3c>
mce: [Hardware Error]: TSC 4d1c1b3a ADDR ee30a0040 MISC 900040004001e8c
mce: [Hardware Error]: PROCESSOR 0:906ed TIME 1702475172 SOCKET 0 APIC 3 microcode 104
mce: [Hardware Error]: Machine check: Processor context corrupt
Kernel panic - not syncing: Fatal machine check
`;
const CORRECTED = `
[Hardware Error]: CPU 1: Machine Check: 0 Bank 11: 8c00004f000800c2
[Hardware Error]: TSC 0 ADDR ee30a0000 MISC 900040004001e8c
`;

it('tells CPU, bank, status and address, and what the status says', () => {
  expect(machineChecks(log(FATAL))).toMatchObject([
    {
      cpu: 7,
      bank: 4,
      status: 0xbe00000000800400n,
      uncorrected: true,
      contextCorrupt: true,
      address: 0xee30a0040n,
    },
  ]);
});

it('knows a corrected error, and keeps one apart from the next', () => {
  expect(machineChecks(log(`${CORRECTED.trim().split('\n')[0]}\n${FATAL}`))).toMatchObject([
    { cpu: 1, bank: 11, uncorrected: false, contextCorrupt: false, address: undefined },
    { cpu: 7 },
  ]);
});

it('is silent about user space, and about lines that only mention hardware errors', () => {
  expect(machineChecks(log(FATAL, 1))).toEqual([]);
  expect(
    machineChecks(log('mce: [Hardware Error]: Machine check events logged\nmce: CPU supports 7 MCE banks')),
  ).toEqual([]);
});
