import { expect, test } from 'vitest';
import { parseSources, sourcesFor } from './apt.ts';
import { drawParameters, dumpOf, readIncidents } from './incidents.ts';

test('every incident has a program, a title and parameters', () => {
  const incidents = readIncidents();
  expect(incidents.length).toBeGreaterThanOrEqual(10);
  for (const incident of incidents) expect(incident.title).not.toBe('');
});

test('a variant is the same everywhere, and variants differ', () => {
  const incident = { name: 'x', parameters: { N: { from: 1, to: 1_000_000 }, WHO: { oneOf: ['a', 'b'] } } } as const;
  expect(drawParameters(incident, 1)).toEqual(drawParameters(incident, 1));
  expect(drawParameters(incident, 1)['N']).not.toBe(drawParameters(incident, 2)['N']);
  expect(['a', 'b']).toContain(drawParameters(incident, 1)['WHO']);
});

test('a new parameter changes no other', () => {
  const parameters = { N: { from: 1, to: 1_000_000 } };
  const more = { A: { from: 1, to: 9 }, ...parameters };
  expect(drawParameters({ name: 'x', parameters: more }, 1)['N']).toBe(
    drawParameters({ name: 'x', parameters }, 1)['N'],
  );
});

test('only incidents that are crashed by hand are also dumped live', () => {
  expect(dumpOf({ dump: 'sysrq' }, 1)).toBe('sysrq');
  expect(dumpOf({ dump: 'sysrq' }, 3)).toBe('live');
  expect(dumpOf({ dump: 'own' }, 3)).toBe('own');
});

test('other suites come from the mirrors of this machine', () => {
  const own = parseSources(
    [
      'Types: deb',
      'URIs: http://mirror.example/debian',
      'Suites: bookworm bookworm-updates',
      'Signed-By: /k.gpg',
      '',
      'Types: deb',
      'URIs: http://mirror.example/security',
      'Suites: bookworm-security',
      'Signed-By: /k.gpg',
    ].join('\n'),
  );
  expect(sourcesFor(own, 'bookworm', 'sid')).toEqual(['deb [signed-by=/k.gpg] http://mirror.example/debian sid main']);
  expect(sourcesFor(own, 'bookworm', 'bullseye')).toEqual([
    'deb [signed-by=/k.gpg] http://mirror.example/debian bullseye main',
    'deb [signed-by=/k.gpg] http://mirror.example/security bullseye-security main',
  ]);
  expect(parseSources('deb [arch=amd64 signed-by=/a.gpg] http://m.example/d trixie main')).toEqual([
    { uri: 'http://m.example/d', suite: 'trixie', signedBy: '/a.gpg' },
  ]);
});
