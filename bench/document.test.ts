import { expect, it } from 'vitest';
import { replaceGenerated } from './document.ts';

const document = 'by hand\n<!-- generated: x -->\nold\n<!-- end: x -->\nmore by hand\n';

it('replaces what stands between the markers, and nothing else', () => {
  const changed = replaceGenerated(document, 'x', 'new $& \n');
  expect(changed).toBe('by hand\n<!-- generated: x -->\n\nnew $&\n\n<!-- end: x -->\nmore by hand\n');
  expect(replaceGenerated(changed, 'x', 'new $& \n')).toBe(changed);
});

it('refuses a document without the markers, with one of them, or with several', () => {
  const cut = document.replace('<!-- end: x -->', '');
  for (const other of ['', cut, document + document, `${document}<!-- generated: x -->`]) {
    expect(() => replaceGenerated(other, 'x', 'new')).toThrow('no part between');
  }
  expect(() => replaceGenerated(document, 'y', 'new')).toThrow('no part between');
});
