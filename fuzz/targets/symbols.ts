/** What every symbol table must keep, whatever it was made of. */
import type { SymbolEntry, SymbolTable } from '../../src/debuginfo/symbol.ts';
import type { Summary } from '../input.ts';
import { check, checkSame } from '../violation.ts';

const MAX_ENTRIES = 2000;
const MAX_SIZE = 64 * 1024;
/** Positive and small negative numbers are what tables hold; others count as 0. */
const HALF = 1n << 63n;

export function exerciseSymbols(symbols: SymbolTable): Summary {
  const entries: SymbolEntry[] = [];
  for (const entry of symbols.entries()) {
    entries.push(entry);
    if (entries.length >= MAX_ENTRIES) break;
  }
  let before: SymbolEntry | undefined;
  let kernel = 0;
  for (const entry of entries) {
    const { name, address, size, type } = entry;
    check(before === undefined || before.address <= address, () => `${name} is out of order`);
    check(Number.isInteger(size) && size >= 0 && size <= MAX_SIZE, () => `${name} has ${size} bytes`);
    check(name.length <= 2048 && type.length === 1, () => `a name of ${name.length} and a letter of ${type.length}`);
    if (address >= HALF) kernel++;
    before = entry;
  }
  const step = Math.max(1, Math.floor(entries.length / 24));
  for (let i = 0; i < entries.length; i += step) {
    const entry = entries[i];
    if (entry !== undefined) checkOne(symbols, entry);
  }
  for (const address of [0n, 1n, HALF - 1n, HALF, 0xffffffff80000000n, 0xffff_ffff_ffff_ffffn]) {
    const found = symbols.at(address as SymbolEntry['address']);
    check(found === undefined || found.address <= address, () => `the symbol at ${address} begins behind it`);
  }
  checkSame('a symbol that is not there', symbols.lookup('no such symbol \0'), undefined);
  return [symbols.count, kernel, entries.some(({ size }) => size > 0) ? 'sizes' : 'no sizes'];
}

function checkOne(symbols: SymbolTable, { name, address, size }: SymbolEntry): void {
  // Damaged names may go beyond all reason; they are cut off.
  if (name.length > 2000) return;
  const same = symbols.lookupAll(name);
  check(
    same.every((other) => other.name === name),
    () => `${name} was looked for, others were found`,
  );
  check(name === '' || same.some((other) => other.address === address), () => `${name} is not found by its name`);
  const first = symbols.lookup(name);
  if (name !== '') checkSame(`${name} is found`, first?.name, name);
  // Of what is damaged the symbol that names an address may be lost, and others there not.
  if ((symbols.lost ?? 0) > 0) return;
  const at = symbols.at(address);
  if (address < HALF) checkSame(`the symbol at ${address}`, at, undefined);
  else checkSame(`the symbol at ${address.toString(16)}`, at?.address, address);
  if (size > 1 && address >= HALF) {
    const last = symbols.at((address + BigInt(size - 1)) as SymbolEntry['address']);
    checkSame(`the symbol at the end of ${name}`, last?.address, address);
  }
}
