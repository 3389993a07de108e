/**
 * Parameters and local variables of the functions at an address: their names, types, and the expression that says where they
 * are. Of the same name in nested blocks, the innermost counts.
 */
import { attempt } from '../../base/errors.ts';
import type { CType } from '../type.ts';
import { AT, TAG } from './constants.ts';
import type { DwarfLines } from './dwarf-lines.ts';
import type { DwarfTypes } from './dwarf-types.ts';
import type { Entry } from './entry.ts';
import { expressionAt } from './location-lists.ts';
import { covers, rangesOf } from './ranges.ts';

const MAX_DEPTH = 256;
/** More than any function has. */
const MAX_VARIABLES = 4096;
const WANTED: ReadonlySet<number> = new Set([TAG.formal_parameter, TAG.variable, TAG.lexical_block]);

export interface Variable {
  readonly name: string;
  readonly parameter: boolean;
  /** @throws FormatError */
  type(): CType;
  /** Where it is at the address that was asked for; undefined where it has been optimised away. */
  readonly expression: Uint8Array | undefined;
  /** The compiler knows its value. */
  readonly constant: bigint | undefined;
}

export interface FunctionVariables {
  readonly func: string | undefined;
  /** As declared, parameters first. */
  readonly variables: readonly Variable[];
}

export interface VariablesAt {
  /** The innermost of the functions that were inlined first, the function itself last. */
  readonly functions: readonly FunctionVariables[];
  /** DW_AT_frame_base of the function itself. */
  readonly frameBase: Uint8Array | undefined;
  /** An address by its number, in this unit. @throws FormatError */
  indexed(index: number): bigint;
}

export class DwarfVariables {
  readonly #types: DwarfTypes;
  readonly #lines: DwarfLines;

  constructor(types: DwarfTypes, lines: DwarfLines) {
    this.#types = types;
    this.#lines = lines;
  }

  /**
   * @param address - of the file
   * @returns undefined when nothing is told of the address
   * @throws FormatError
   */
  at(address: bigint): VariablesAt | undefined {
    const entries = this.#lines.functionsAt(address);
    const func = entries.at(-1);
    if (func === undefined) return undefined;
    const { info } = this.#types;
    return {
      functions: entries.map((entry) => ({
        func: info.nameOf(entry),
        variables: this.#variables(entry, address),
      })),
      frameBase: expressionAt(func, AT.frame_base, address),
      indexed: (index) => info.address(func.open.unit, index),
    };
  }

  #variables(func: Entry, address: bigint): Variable[] {
    const found = new Map<string, Variable>();
    let count = 0;
    const collect = (entry: Entry, depth: number): void => {
      if (depth > MAX_DEPTH) return;
      for (const child of this.#types.info.children(entry, WANTED)) {
        if (++count > MAX_VARIABLES) return;
        if (child.tag === TAG.lexical_block) {
          const ranges = rangesOf(child);
          // A block without ranges holds nothing that is there.
          if (covers(ranges, address)) collect(child, depth + 1);
          continue;
        }
        const variable = attempt(() => this.#variable(child, address));
        if (variable === undefined) continue;
        // Put anew, so that it stands where the innermost is declared.
        found.delete(variable.name);
        found.set(variable.name, variable);
      }
    };
    collect(func, 0);
    const all = [...found.values()];
    return [...all.filter(({ parameter }) => parameter), ...all.filter(({ parameter }) => !parameter)];
  }

  #variable(entry: Entry, address: bigint): Variable | undefined {
    const { info } = this.#types;
    const name = info.nameOf(entry);
    // Of a declaration (`extern` in a function) the variable is global.
    if (name === undefined || entry.flag(AT.declaration)) return undefined;
    return {
      name,
      parameter: entry.tag === TAG.formal_parameter,
      type: () => this.#types.type(info.throughOrigins(entry, (each) => each.reference(AT.type)) ?? 0),
      expression: expressionAt(entry, AT.location, address),
      constant: info.throughOrigins(entry, (each) => each.constant(AT.const_value)),
    };
  }
}
