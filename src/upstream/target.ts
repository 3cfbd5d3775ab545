import type { Origin } from '../http/transport.ts';
import { type Dialect, mergeDialect } from './dialect.ts';
import { recogniseHost } from './endpoint.ts';
import { VENDORS, type Vendor } from './vendors.ts';

/** A storage that speaks S3: where it is, who we are there, and how it wants to be spoken to. */
export interface Target {
  /** The storage's name in the configuration, for logs. */
  readonly name: string;
  readonly dialect: Dialect;
  readonly endpoint: Origin;
  /** Region to sign for. */
  readonly region: string;
  readonly credentials: TargetCredentials;
}

export interface TargetCredentials {
  readonly accessKey: string;
  readonly secretKey: string;
  readonly sessionToken?: string;
}

/** What this folder writes to the log; pino has this shape. Nothing secret and no key is ever given to it. */
export interface UpstreamLog {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** What a configuration says of a storage. */
export interface TargetSettings {
  readonly name: string;
  readonly provider: Vendor;
  /** host[:port] */
  readonly endpoint: string;
  readonly protocol: 'http' | 'https';
  readonly accessKey: string;
  readonly secretKey: string;
  readonly sessionToken?: string | undefined;
  readonly region?: string | undefined;
  /** The one bucket used there. */
  readonly bucket?: string | undefined;
}

const DEFAULT_PORT = { http: 80, https: 443 } as const;

/**
 * Makes a target of a storage's settings: its provider's row with the overrides, the region from the settings, else
 * from the host, else from the row; a bucket that was pasted along with the host is taken off it.
 */
export function resolveTarget(settings: TargetSettings, overrides: Partial<Dialect>): Target {
  const row = mergeDialect(VENDORS[settings.provider], overrides);
  const [, name = settings.endpoint, port] = /^(.*?)(?::(\d+))?$/.exec(settings.endpoint.toLowerCase()) ?? [];
  const known = recogniseHost(row, name);
  const { protocol, accessKey, secretKey, sessionToken } = settings;
  return {
    name: settings.name,
    dialect: row,
    endpoint: {
      protocol,
      host: row.addressing === 'domain' ? name : (known?.host ?? name),
      port: port === undefined ? DEFAULT_PORT[protocol] : Number(port),
    },
    region: settings.region ?? known?.region ?? row.region,
    credentials: { accessKey, secretKey, ...(sessionToken !== undefined && { sessionToken }) },
  };
}

/** One thing wrong with a storage's settings, and which one. */
export interface TargetFault {
  readonly setting: 'endpoint' | 'region' | 'signature' | 'addressing';
  readonly message: string;
}

/** Settings that contradict the provider's row, each with the remedy; none when a target can be made of them. */
export function targetFaults(settings: TargetSettings, overrides: Partial<Dialect>): TargetFault[] {
  const row = mergeDialect(VENDORS[settings.provider], overrides);
  const name = settings.endpoint.toLowerCase().replace(/:\d+$/, '');
  const known = recogniseHost(row, name);
  const faults: TargetFault[] = [];
  if (!row.signatures.includes(row.signature)) {
    faults.push({
      setting: 'signature',
      message: `${row.signature} is not accepted by ${settings.provider}; use ${row.signatures.join(' or ')}`,
    });
  }
  if (row.signature === 'native' && row.signatures.includes('native') && row.nativeSignature === undefined) {
    faults.push({ setting: 'signature', message: `${settings.provider} has no signature of its own; use v4` });
  }
  if (!row.addressings.includes(row.addressing)) {
    faults.push({
      setting: 'addressing',
      message: `${row.addressing} is not accepted by ${settings.provider}; use ${row.addressings.join(' or ')}`,
    });
  }
  if (row.addressing === 'virtual' && /^(\[.*\]|[\d.]+)$/.test(name)) {
    faults.push({ setting: 'addressing', message: `virtual needs a host name, and ${name} is an address; use path` });
  }
  if (known?.use !== undefined) {
    faults.push({ setting: 'endpoint', message: `${name} does not speak S3; use ${known.use}` });
  }
  if (known?.bucket !== undefined && row.addressing !== 'domain' && settings.bucket !== undefined) {
    const named = known.bucket;
    if (named !== settings.bucket && named !== `${settings.bucket}${row.bucketSuffix}`) {
      faults.push({
        setting: 'endpoint',
        message: `${name} is the host of the bucket ${named}, and bucket is ${settings.bucket}; use ${known.host}`,
      });
    }
  }
  if (known !== undefined && known.region === undefined && settings.region === undefined) {
    faults.push({ setting: 'region', message: `${name} does not tell the region; set it` });
  }
  return faults;
}
