/** What came of one planted bug. */
export interface PlantedResult {
  readonly what: string;
  readonly target: string;
  /** The key of the finding; undefined when there was none. */
  readonly found: string | undefined;
  readonly executions: number;
  readonly seconds: number;
}
