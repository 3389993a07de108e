/**
 * Page compression. A codec is one function from the compressed bytes of one page to the page; it is loaded when the
 * first page needs it. Whoever adds one writes `codecs/<name>.ts` and its line in `codecs/index.ts`.
 */
export interface Codec {
  /** As people call it: 'zlib'. */
  readonly name: string;
  /**
   * Decompresses all of `input` into `into` and returns how many bytes that gave.
   * @throws CodecError when the input is damaged or needs more room than `into` has
   */
  decompress(input: Uint8Array, into: Uint8Array): number;
}

/** The compressed bytes are damaged. Never leaves `dump/`: the page is `lost`. */
export class CodecError extends Error {
  constructor(codec: string, options?: ErrorOptions) {
    super(`${codec}: damaged data`, options);
    this.name = 'CodecError';
  }
}
