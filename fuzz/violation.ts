/** The result is wrong although nothing was thrown: what a target's own checks say. */
export class Violation extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'Violation';
  }
}

/** @throws Violation unless `holds` */
export function check(holds: boolean, message: () => string): asserts holds {
  if (!holds) throw new Violation(message());
}

/** @throws Violation unless both are the same number, bigint, text ... */
export function checkSame(what: string, found: unknown, wanted: unknown): void {
  if (!Object.is(found, wanted)) throw new Violation(`${what} is ${show(found)}, should be ${show(wanted)}`);
}

/** @throws Violation unless both hold the same bytes, or both are undefined */
export function checkBytes(what: string, found: Uint8Array | undefined, wanted: Uint8Array | undefined): void {
  if (found === undefined || wanted === undefined) {
    checkSame(what, found === undefined, wanted === undefined);
  } else if (Buffer.compare(found, wanted) !== 0) {
    throw new Violation(`${what} holds other bytes (${found.length}, should be ${wanted.length})`);
  }
}

function show(value: unknown): string {
  return typeof value === 'bigint' ? `0x${value.toString(16)}` : JSON.stringify(value);
}
