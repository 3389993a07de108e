/**
 * The syntax of a line: a command with its words, quotes, `#` comments, and where its output goes: `| program`, `> file`,
 * `>> file`; `< file` gives its arguments, or the commands themselves when it stands alone; `! program`.
 *
 * Inside quotes, parentheses and brackets these signs mean themselves; so do `->`, `>=`, `<=`, `<<`, `||`. A shift to the
 * right or a comparison in an expression stands in parentheses, as in crash.
 */
import { UsageError } from '../base/errors.ts';
import type { Word } from './arguments.ts';

export interface Line {
  readonly words: readonly Word[];
  /** Program that gets the output, as the system's shell takes it. */
  readonly pipe: string | undefined;
  readonly file: { readonly path: string; readonly append: boolean } | undefined;
  readonly input: string | undefined;
  /** `!program`: nothing else is set then. */
  readonly system: string | undefined;
}

interface Scan {
  readonly words: Word[];
  text: string;
  raw: string;
  inWord: boolean;
  depth: number;
}

/**
 * @returns undefined for a line that says nothing
 * @throws UsageError for an open quote, or a redirection to nowhere
 */
export function parseLine(source: string): Line | undefined {
  const text = source.trim();
  if (text === '' || text.startsWith('#')) return undefined;
  if (text.startsWith('!'))
    return { words: [], pipe: undefined, file: undefined, input: undefined, system: text.slice(1).trim() };
  const scan: Scan = { words: [], text: '', raw: '', inWord: false, depth: 0 };
  let file: Line['file'];
  let input: string | undefined;
  for (let i = 0; i < text.length; ) {
    const char = text.charAt(i);
    if (char === '"' || char === "'") {
      i = readQuoted(scan, text, i);
    } else if (/\s/.test(char)) {
      endWord(scan, char);
      i++;
    } else if (char === '#' && !scan.inWord && scan.depth === 0) {
      break;
    } else if (scan.depth === 0 && isPipe(text, i)) {
      endWord(scan);
      const pipe = text.slice(i + 1).trim();
      if (pipe === '') throw new UsageError("nothing stands behind '|'");
      return { words: scan.words, pipe, file, input, system: undefined };
    } else if (scan.depth === 0 && (char === '>' || char === '<') && isRedirection(text, i)) {
      endWord(scan);
      const append = text.startsWith('>>', i);
      const [path, end] = readPath(text, i + (append ? 2 : 1));
      if (path === '') throw new UsageError(`no file stands behind '${append ? '>>' : char}'`);
      if (char === '>') file = { path, append };
      else input = path;
      i = end;
    } else {
      if ('([{'.includes(char)) scan.depth++;
      if (')]}'.includes(char)) scan.depth = Math.max(0, scan.depth - 1);
      put(scan, char, char);
      i++;
    }
  }
  scan.depth = 0;
  endWord(scan);
  return { words: scan.words, pipe: undefined, file, input, system: undefined };
}

function put(scan: Scan, text: string, raw: string): void {
  scan.text += text;
  scan.raw += raw;
  scan.inWord = true;
}

/** Blanks end a word, except inside of parentheses: `(struct task_struct *)` is one. */
function endWord(scan: Scan, blank = ''): void {
  if (!scan.inWord) return;
  if (scan.depth > 0 && blank !== '') {
    put(scan, blank, blank);
    return;
  }
  scan.words.push({ text: scan.text, raw: scan.raw });
  scan.text = '';
  scan.raw = '';
  scan.inWord = false;
}

function readQuoted(scan: Scan, text: string, start: number): number {
  const quote = text.charAt(start);
  let inner = '';
  for (let i = start + 1; i < text.length; i++) {
    const char = text.charAt(i);
    if (char === quote) {
      put(scan, inner, text.slice(start, i + 1));
      return i + 1;
    }
    if (char === '\\' && quote === '"' && /["\\]/.test(text.charAt(i + 1))) {
      inner += text.charAt(++i);
    } else {
      inner += char;
    }
  }
  throw new UsageError(`the quote ${quote} is not closed`);
}

function isPipe(text: string, at: number): boolean {
  return text.charAt(at) === '|' && text.charAt(at + 1) !== '|' && text.charAt(at - 1) !== '|';
}

function isRedirection(text: string, at: number): boolean {
  const before = text.charAt(at - 1);
  const after = text.charAt(at + 1);
  if (text.charAt(at) === '<') return after !== '<' && after !== '=' && before !== '<';
  return before !== '-' && after !== '=';
}

function readPath(text: string, start: number): readonly [path: string, end: number] {
  let i = start;
  while (/\s/.test(text.charAt(i))) i++;
  const scan: Scan = { words: [], text: '', raw: '', inWord: false, depth: 0 };
  while (i < text.length && !/[\s|<>]/.test(text.charAt(i))) {
    const char = text.charAt(i);
    if (char === '"' || char === "'") i = readQuoted(scan, text, i);
    else {
      put(scan, char, char);
      i++;
    }
  }
  return [scan.text, i];
}
