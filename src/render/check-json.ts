/** The answer of `kwhy check` as the JSON of docs/json-schema.md. */
import type { DumpCheck } from '../model/dump-check.ts';
import { SCHEMA_VERSION } from '../model/report.ts';
import { encodeData, jsonObject, jsonText } from './json.ts';
import { proseText } from './value-text.ts';

/** Ends with a newline. */
export function checkJson({ verdict, summary, facts, missing, problems }: DumpCheck): string {
  return jsonText(
    jsonObject({
      schema: 'kwhy-check',
      version: SCHEMA_VERSION,
      verdict,
      complete: verdict === 'sound',
      summary: proseText(summary),
      dump: encodeData(Object.fromEntries(facts.map(({ key, data }) => [key, data]))),
      problems,
      missing: missing.map(({ id, what, costs }) => ({ id, what: proseText(what), costs: proseText(costs) })),
    }),
  );
}
