import { describe, expect, it } from 'vitest';
import { layerOf, objection, problemsOf, reachable } from './check-layers.ts';

describe('layerOf', () => {
  it.each([
    ['src/base/address.ts', 'base'],
    ['src/dump/elf/notes.ts', 'dump'],
    ['src/diagnosis/facts/tasks.ts', 'diagnosis/facts'],
    ['src/diagnosis/detectors/hung-task.ts', 'diagnosis/detectors'],
    ['src/diagnosis/detectors/registry.gen.ts', 'diagnosis/detectors/registry'],
    ['src/diagnosis/engine.ts', 'diagnosis/engine'],
    ['src/diagnosis/engine/rank.ts', 'diagnosis/engine'],
    ['src/commands/registry.gen.ts', 'commands/registry'],
    ['src/index.ts', 'library'],
    ['src/plugin.ts', 'library'],
    ['src/misc/x.ts', undefined],
    ['src/stray.ts', undefined],
  ])('%s is in %s', (path, layer) => {
    expect(layerOf(path)).toBe(layer);
  });
});

describe('objection', () => {
  it.each([
    ['src/kernel/list.ts', 'src/program/object.ts'],
    ['src/kernel/list.ts', 'src/kernel/rbtree.ts'],
    ['src/program/open.ts', 'src/debuginfo/btf.ts'],
    ['src/diagnosis/facts/locks.ts', 'src/diagnosis/facts/tasks.ts'],
    ['src/diagnosis/detectors/oom.ts', 'src/diagnosis/facts/tasks.ts'],
    ['src/diagnosis/engine.ts', 'src/diagnosis/detectors/registry.gen.ts'],
    ['src/cli/main.ts', 'src/commands/registry.gen.ts'],
    ['src/cli/main.ts', 'package.json'],
    // Tests
    ['src/kernel/list.test.ts', 'test/builders/memory.ts'],
    ['src/kernel/list.test.ts', 'src/dump/elf.ts'],
    ['src/diagnosis/detectors/oom.test.ts', 'src/diagnosis/detectors/oom.ts'],
    ['src/diagnosis/detectors/oom.victims.test.ts', 'src/diagnosis/detectors/oom.ts'],
    ['src/diagnosis/detectors/oom.test.ts', 'src/program/open.ts'],
    ['src/commands/bt.test.ts', 'src/commands/bt.ts'],
  ])('%s may import %s', (from, to) => {
    expect(objection(from, to, false)).toBeUndefined();
  });

  it.each([
    ['src/base/bytes.ts', 'src/dump/elf.ts'],
    ['src/dump/elf.ts', 'src/debuginfo/btf.ts'],
    ['src/program/open.ts', 'src/kernel/list.ts'],
    ['src/program/open.ts', 'src/model/finding.ts'],
    ['src/kernel/list.ts', 'src/dump/elf.ts'],
    ['src/diagnosis/facts/tasks.ts', 'src/diagnosis/detectors/oom.ts'],
    ['src/diagnosis/detectors/oom.ts', 'src/diagnosis/detectors/hung-task.ts'],
    ['src/diagnosis/detectors/oom.ts', 'src/dump/elf.ts'],
    ['src/diagnosis/detectors/oom.ts', 'src/program/open.ts'],
    ['src/diagnosis/engine.ts', 'src/diagnosis/detectors/oom.ts'],
    ['src/commands/bt.ts', 'src/commands/ps.ts'],
    ['src/render/text.ts', 'src/program/open.ts'],
    ['src/render/text.ts', 'src/cli/main.ts'],
    ['src/kernel/list.ts', 'test/builders/memory.ts'],
    ['src/kernel/list.ts', 'src/kernel/rbtree.test.ts'],
    ['src/kernel/list.ts', 'src/kernel/rbtree.js'],
    ['src/kernel/list.ts', 'tools/build.ts'],
    ['src/kernel/list.ts', 'package.json'],
    // Tests
    ['src/kernel/list.test.ts', 'src/diagnosis/facts/tasks.ts'],
    ['src/base/bytes.test.ts', 'src/program/open.ts'],
    ['src/diagnosis/detectors/oom.test.ts', 'src/diagnosis/detectors/hung-task.ts'],
    ['src/diagnosis/detectors/oom-panic.test.ts', 'src/diagnosis/detectors/oom.ts'],
    ['src/commands/bt.test.ts', 'src/render/text.ts'],
  ])('%s must not import %s', (from, to) => {
    expect(objection(from, to, false)).toEqual(expect.any(String));
    // What a layer may not have, it may not have as a type either.
    expect(objection(from, to, true)).toEqual(expect.any(String));
  });

  it('lets model import program as types only', () => {
    expect(objection('src/model/detector.ts', 'src/program/program.ts', true)).toBeUndefined();
    expect(objection('src/model/detector.ts', 'src/program/program.ts', false)).toContain('import type');
  });
});

describe('reachable', () => {
  it('never leads upwards', () => {
    expect([...reachable('kernel')].sort()).toEqual(['base', 'debuginfo', 'dump', 'kernel', 'program']);
    expect(reachable('diagnosis/engine').has('cli')).toBe(false);
    expect([...reachable('base')]).toEqual(['base']);
  });
});

describe('problemsOf', () => {
  it('names file, line and reason', () => {
    const source = "import { x } from './rbtree.ts';\nimport type { P } from '../diagnosis/facts/tasks.ts';\n";
    expect(problemsOf('src/kernel/list.ts', source)).toEqual([
      'src/kernel/list.ts:2: imports ../diagnosis/facts/tasks.ts: kernel may not import diagnosis/facts; it may import base, program',
    ]);
  });

  it('leaves packages and Node alone', () => {
    expect(problemsOf('src/dump/zstd.ts', "import { x } from 'node:zlib';\nimport { y } from 'zstddec';")).toEqual([]);
  });

  it('refuses computed names and mutable globals', () => {
    const source =
      'export let count = 0;\nconst text = `\nlet it = be`;\nfunction f() {\n  let mine = 1;\n}\nimport(f());\n';
    expect(problemsOf('src/base/x.ts', source)).toEqual([
      expect.stringContaining('src/base/x.ts:7: '),
      expect.stringContaining('src/base/x.ts:1: '),
    ]);
  });
});
