/** The layers below, loaded when there is a dump to open: `--help` does not wait for them. */
import type { Core } from './report-run.ts';

export async function loadCore(): Promise<Core> {
  const [{ openProgram }, { diagnose }] = await Promise.all([
    import('../program/open.ts'),
    import('../diagnosis/engine.ts'),
  ]);
  return {
    open(paths, budget, without = []) {
      const program = openProgram(paths, { budget, without });
      return {
        diagnose: (budget) => diagnose(program, budget),
        close: () => program.close(),
      };
    },
  };
}
