import { describe, expect, it } from 'vitest';
import { contextOf } from '../../../test/builders/facts.ts';
import { KernelImage } from '../../../test/builders/image.ts';
import { placeLog } from '../../../test/builders/log.ts';
import { programOfImage } from '../../../test/builders/program.ts';
import { logFact } from './log.ts';
import { triggerFact } from './trigger.ts';

describe('log and trigger', () => {
  it('reads the log once for both and covers it', () => {
    const image = new KernelImage();
    placeLog(image, ['<6>[    1.000000] one', '<6>[    2.000000] sysrq: Trigger a crash']);
    const context = contextOf(programOfImage(image));
    expect(context.use(triggerFact)).toMatchObject({ kind: 'sysrq', record: { timeNs: 2_000_000_000n } });
    expect(context.use(logFact).records).toHaveLength(2);
    expect(context.coverage).toEqual([{ what: 'log records', read: 2, total: 2, missing: [] }]);
  });

  it('does not know how many records there were when a part of the log is lost', () => {
    const image = new KernelImage();
    placeLog(image, [`<6>${'x'.repeat(5000)}`, '<6>[    2.000000] last'], 8192);
    image.states.set(Number(image.address('log ring') >> 12n), 'lost');
    const context = contextOf(programOfImage(image));
    expect(context.use(logFact).records.at(-1)?.text).toBe('last');
    expect(context.coverage).toMatchObject([
      { what: 'log records', total: undefined, missing: ['4096 bytes of the log cannot be read'] },
    ]);
  });

  it('says why there is no log, and knows no trigger then', () => {
    const context = contextOf(programOfImage(new KernelImage()));
    expect(context.use(triggerFact)).toBeUndefined();
    expect(context.coverage).toMatchObject([{ what: 'log records', read: 0, total: undefined }]);
    expect(context.coverage[0]?.missing.join()).toMatch(/cannot be read/);
  });
});
