import type { Origin } from '../http/transport.ts';
import type { Dialect } from './dialect.ts';

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
  debug(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
