/**
 * How clients get something: from the service as it is, made up by Sluice, not at all, or not as they should.
 * `skipped`: it was not tried.
 */
export type State = 'native' | 'emulated' | 'missing' | 'failed' | 'skipped';

/** What one probe found. */
export interface Finding {
  readonly capability: string;
  readonly state: State;
  readonly note?: string;
  /** The setting that fits what was found better than what is set, as it is written in the configuration. */
  readonly setting?: string;
}

/** What was found of one storage. */
export interface StorageReport {
  readonly name: string;
  readonly provider: string;
  readonly isDefault: boolean;
  readonly place: string;
  readonly isUsable: boolean;
  readonly findings: readonly Finding[];
}
