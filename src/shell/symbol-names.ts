/** Names of symbols for 'did you mean' and for completion. */
import { nearest } from '../base/nearest.ts';
import type { Program } from '../program/program.ts';

/** The symbol of the kernel that a mistyped name most likely means: one that begins with the same two letters. */
export function nearestSymbol(program: Program, name: string): string | undefined {
  if (name.length < 3) return undefined;
  const start = name.slice(0, 2);
  const near: string[] = [];
  for (const symbol of program.symbols.kernel.entries()) {
    if (symbol.name.startsWith(start) && Math.abs(symbol.name.length - name.length) <= 3) near.push(symbol.name);
  }
  return nearest(name, near);
}

/** Symbols that begin with a prefix, at most so many. */
export function symbolsStarting(program: Program, prefix: string, limit: number): string[] {
  const out = new Set<string>();
  for (const symbol of program.symbols.kernel.entries()) {
    if (!symbol.name.startsWith(prefix)) continue;
    out.add(symbol.name);
    if (out.size >= limit) break;
  }
  return [...out];
}
