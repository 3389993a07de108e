/** Modules that were built outside of the kernel's tree: where the kernel leaks, they are looked at first. No proof of anything. */
import { attempt } from '../../base/errors.ts';
import { defineFact } from '../../model/diagnosis.ts';

/** TAINT_OOT_MODULE of include/linux/panic.h, since 3.2 (commit 2449b8ba0745). */
const OUT_OF_TREE = 1n << 12n;

/** Their names, in the order of the list; empty where `struct module.taints` is not known. */
export const foreignModulesFact = defineFact<readonly string[]>({
  id: 'foreign-modules',
  derive({ program }) {
    const taints = program.tryField('struct module', 'taints');
    if (taints === undefined) return [];
    return program.modules.modules
      .filter(({ address }) => ((attempt(() => taints.u64(address)) ?? 0n) & OUT_OF_TREE) !== 0n)
      .map(({ name }) => name);
  },
});
