import type { ApiAnswer, ApiRequest } from './cache-api.ts';

/** What the API asks of clean-up. */
export interface CleanupSource {
  /** Undefined when none is configured. */
  state(): CleanupView | undefined;
  /** Undefined when a run is under way, or none is configured. */
  start(options: { readonly isDryRun: boolean }): ReportView | undefined;
}

export interface CleanupView {
  readonly schedule: string;
  /** Milliseconds. */
  readonly incompleteUploads: number;
  readonly next: Date | undefined;
  readonly last: ReportView | undefined;
}

export interface ReportView {
  readonly began: Date;
  readonly ended?: Date;
  readonly state: string;
  readonly isDryRun: boolean;
  readonly storages: ReadonlyMap<
    string,
    {
      readonly uploads: number;
      readonly aborted: number;
      readonly probes: number;
      readonly errors: number;
      readonly emulated?: string;
      readonly isPartial: boolean;
    }
  >;
  readonly removed: readonly {
    readonly storage: string;
    readonly bucket: string;
    readonly key: string;
    readonly lastActivity: Date;
  }[];
}

/**
 * Answers `GET /api/cleanup`, which tells when it runs and what the last run did, and `POST /api/cleanup {dryRun}`, which
 * begins a run now.
 */
export function answerCleanupApi(
  { method, body }: Pick<ApiRequest, 'method' | 'body'>,
  source: CleanupSource,
): ApiAnswer {
  const state = source.state();
  if (state === undefined) return { status: 409, json: { error: 'the configuration has no cleanup' } };
  if (method !== 'POST') return { status: 200, json: { ...state, last: state.last && reportJson(state.last) } };
  const { dryRun = false }: { readonly dryRun?: unknown } = typeof body === 'object' && body !== null ? body : {};
  if (typeof dryRun !== 'boolean') return { status: 400, json: { error: 'dryRun is missing or wrong' } };
  const report = source.start({ isDryRun: dryRun });
  if (report === undefined) return { status: 409, json: { error: 'a run is under way' } };
  return { status: 202, json: reportJson(report) };
}

function reportJson({ isDryRun, storages, ...report }: ReportView): object {
  return {
    ...report,
    dryRun: isDryRun,
    storages: [...storages].map(([name, { isPartial, ...storage }]) => ({ name, ...storage, partial: isPartial })),
  };
}
