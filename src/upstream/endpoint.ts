import type { Dialect, HostPattern } from './dialect.ts';

/** What a host tells. */
export interface KnownHost {
  /** The host of the service itself. */
  readonly host: string;
  /** The bucket that stood before it. */
  readonly bucket: string | undefined;
  /** Undefined when the host does not tell; it must be configured then. */
  readonly region: string | undefined;
  /** The host that was meant, when this one does not speak S3. */
  readonly use: string | undefined;
}

/** Reads a host by a dialect's patterns, with or without a bucket before it. Undefined when it fits none. */
export function recogniseHost(dialect: Pick<Dialect, 'hosts'>, name: string): KnownHost | undefined {
  // Whole hosts first: a pattern that begins with a placeholder would take `bucket.` for a part of itself.
  for (const hasBucket of [false, true]) {
    for (const pattern of dialect.hosts) {
      const match = matcher(pattern, hasBucket).exec(name);
      if (match?.groups === undefined) continue;
      const { bucket, host = name, region } = match.groups;
      return {
        host,
        bucket,
        region: pattern.region ?? region,
        use: pattern.use?.replace('{region}', region ?? ''),
      };
    }
  }
  return undefined;
}

function matcher({ host }: HostPattern, hasBucket: boolean): RegExp {
  const source = host
    .replaceAll('.', '\\.')
    .replace('{region}', '(?<region>[a-z0-9-]+)')
    .replaceAll('{account}', '[a-z0-9-]+');
  return new RegExp(`^${hasBucket ? '(?<bucket>[a-z0-9.-]+)\\.' : ''}(?<host>${source})$`);
}
