/**
 * Finds the imports of a TypeScript file, without a parser: TypeScript 7 has no syntax tree for scripts to walk.
 *
 * First comments, strings, templates and regular expressions are blanked out, length and lines kept, so that what looks
 * like an import afterwards is one. Then `import ... from`, `import '...'`, `export ... from` and `import('...')` are
 * matched. Not handled: `require`, and module names computed at run time, which are reported as undefined.
 */

/** One import or re-export of a file. */
export interface Import {
  /** The module's name as written, or undefined when it is computed at run time. */
  readonly specifier: string | undefined;
  /** `import type` or `export type`: nothing is left of it at run time. */
  readonly typeOnly: boolean;
  /** Line in the file, from 1. */
  readonly line: number;
}

const wordBeforeRegex =
  /(?:^|[^\w$.])(?:return|typeof|case|in|of|delete|void|throw|new|else|do|instanceof|yield|await)$/;

/** Whether a `/` after this code starts a regular expression; otherwise it divides. */
function startsRegex(before: string): boolean {
  const trimmed = before.trimEnd();
  if (trimmed === '' || /[([{}=,;:!&|?+\-*%<>~^]$/.test(trimmed)) return true;
  return wordBeforeRegex.test(trimmed.slice(-16));
}

/** Index just after a quoted text that starts at `start`; a quoted text ends at its line's end at the latest. */
function endOfString(source: string, start: number): number {
  const quote = source[start];
  let at = start + 1;
  while (at < source.length && source[at] !== quote && source[at] !== '\n') at += source[at] === '\\' ? 2 : 1;
  return Math.min(at + 1, source.length);
}

/** Index just after a regular expression that starts at `start`, its flags left over. */
function endOfRegex(source: string, start: number): number {
  let inClass = false;
  let at = start + 1;
  for (; at < source.length && source[at] !== '\n'; at += 1) {
    const char = source[at];
    if (char === '\\') at += 1;
    else if (char === '[') inClass = true;
    else if (char === ']') inClass = false;
    else if (char === '/' && !inClass) return at + 1;
  }
  return at;
}

/** Index after the literal part of a template: just after its closing backtick, or after the `${` of a hole. */
function endOfTemplatePart(source: string, start: number): { end: number; hole: boolean } {
  let at = start;
  while (at < source.length) {
    if (source[at] === '`') return { end: at + 1, hole: false };
    if (source.startsWith('${', at)) return { end: at + 2, hole: true };
    at += source[at] === '\\' ? 2 : 1;
  }
  return { end: source.length, hole: false };
}

/** Blanks a text: everything but its line feeds becomes a space. */
function blank(text: string): string {
  return text.replace(/[^\n]/g, ' ');
}

/**
 * The same text with comments, regular expressions and the insides of strings and templates replaced by spaces.
 * Length, line feeds and the quotes themselves stay, so an index in the result is one in the source.
 */
export function maskLiterals(source: string): string {
  let out = '';
  let at = 0;
  // For each template hole that is open: how many braces are open inside of it.
  const holes: number[] = [];
  const template = (start: number): void => {
    const { end, hole } = endOfTemplatePart(source, start);
    const inside = source.slice(start, end);
    out += hole ? `${blank(inside.slice(0, -1))}{` : `${blank(inside.slice(0, -1))}${inside.slice(-1)}`;
    if (hole) holes.push(0);
    at = end;
  };
  while (at < source.length) {
    const char = source[at] ?? '';
    const depth = holes.at(-1);
    if (source.startsWith('//', at) || (at === 0 && source.startsWith('#!'))) {
      const newline = source.indexOf('\n', at);
      const end = newline < 0 ? source.length : newline;
      out += blank(source.slice(at, end));
      at = end;
    } else if (source.startsWith('/*', at)) {
      const close = source.indexOf('*/', at + 2);
      const end = close < 0 ? source.length : close + 2;
      out += blank(source.slice(at, end));
      at = end;
    } else if (char === "'" || char === '"') {
      const end = endOfString(source, at);
      const inside = source.slice(at + 1, end);
      out += `${char}${blank(inside.slice(0, -1))}${inside.slice(-1)}`;
      at = end;
    } else if (char === '`') {
      out += '`';
      template(at + 1);
    } else if (char === '}' && depth === 0) {
      holes.pop();
      out += '}';
      template(at + 1);
    } else if (char === '/' && startsRegex(out)) {
      const end = endOfRegex(source, at);
      // Something that is a value, so that a `/` right after it divides.
      out += `0${blank(source.slice(at + 1, end))}`;
      at = end;
    } else {
      if (depth !== undefined && (char === '{' || char === '}'))
        holes.push((holes.pop() ?? 0) + (char === '{' ? 1 : -1));
      out += char;
      at += 1;
    }
  }
  return out;
}

// Group 1: `type`; the match ends with the quote that opens the module's name.
const statements = [
  /(?<![\w$.])import\s+(type\s+(?!from\s*['"]))?[\w$*{},\s]+?(?<=[\s}*])from\s*['"]/g,
  /(?<![\w$.])import\s*()['"]/g,
  /(?<![\w$.])export\s+(type\s+)?(?:\*(?:\s*as\s+[\w$]+)?|\{[^}]*\})\s*from\s*['"]/g,
  /(?<![\w$.])import\s*()\(\s*['"`]/g,
];
const computed = /(?<![\w$.])import\s*\(\s*(?!\s*['"`])/g;

/** Every import and re-export of a TypeScript source, in the order of the file. */
export function findImports(source: string): Import[] {
  const masked = maskLiterals(source);
  const lineAt = (index: number): number => masked.slice(0, index).split('\n').length;
  const found: { index: number; import: Import }[] = [];
  for (const pattern of statements) {
    for (const match of masked.matchAll(pattern)) {
      const open = match.index + match[0].length;
      const close = masked.indexOf(masked[open - 1] ?? '', open);
      const text = source.slice(open, close);
      const specifier = masked[open - 1] === '`' && text.includes('${') ? undefined : text;
      const typeOnly = (match[1] ?? '') !== '';
      found.push({ index: match.index, import: { specifier, typeOnly, line: lineAt(match.index) } });
    }
  }
  for (const match of masked.matchAll(computed)) {
    found.push({ index: match.index, import: { specifier: undefined, typeOnly: false, line: lineAt(match.index) } });
  }
  return found.sort((a, b) => a.index - b.index).map((entry) => entry.import);
}
