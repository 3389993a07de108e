import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import { KernelImage } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { kernelConfig } from './ikconfig.ts';

const TEXT = '# Linux/x86\nCONFIG_64BIT=y\n# CONFIG_KEXEC is not set\n';
const packed = gzipSync(TEXT);

function since51(content: Uint8Array): KernelImage {
  const image = new KernelImage();
  const at = image.bytes('config', content);
  image.symbol('kernel_config_data', at);
  image.symbol('kernel_config_data_end', at + BigInt(content.length));
  return image;
}

it('between two symbols, and between two marks as until 5.1', () => {
  expect(kernelConfig(programOfImage(since51(packed)))).toBe(TEXT);
  const older = new KernelImage();
  const marked = Buffer.concat([Buffer.from('IKCFG_ST'), packed, Buffer.from('IKCFG_ED'), Buffer.alloc(8192)]);
  older.symbol('kernel_config_data', older.bytes('config', marked));
  expect(kernelConfig(programOfImage(older))).toBe(TEXT);
});

it('none, and what is no configuration', () => {
  expect(kernelConfig(commandRunner([]).program)).toBeUndefined();
  expect(() => kernelConfig(programOfImage(since51(new Uint8Array(64))))).toThrow(/is no whole gzip/);
  // Cut off it would look whole.
  expect(() => kernelConfig(programOfImage(since51(packed.subarray(0, 40))))).toThrow(/is no whole gzip/);
  const older = new KernelImage();
  older.symbol('kernel_config_data', older.bytes('config', Buffer.alloc(64)));
  expect(() => kernelConfig(programOfImage(older))).toThrow(/does not begin/);
});
