/** The layers below, loaded when there is a dump to open: `--help` does not wait for them. */
import type { AnyDetector } from '../model/diagnosis.ts';
import type { Core } from './report-run.ts';

/** @param added - detectors of plugins, asked after ours */
export async function loadCore(added: readonly AnyDetector[] = []): Promise<Core> {
  const [{ openProgram }, { diagnose }, { detectors }] = await Promise.all([
    import('../program/open.ts'),
    import('../diagnosis/engine.ts'),
    import('../diagnosis/detectors/registry.gen.ts'),
  ]);
  return {
    open(paths, budget, without = []) {
      const program = openProgram(paths, { budget, without });
      return {
        diagnose: (budget, ended) => diagnose(program, budget, [...detectors, ...added], ended),
        close: () => program.close(),
      };
    },
  };
}
