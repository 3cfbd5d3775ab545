import { b2 } from './rows/b2.ts';
import { AWS } from './rows/base.ts';
import { ceph } from './rows/ceph.ts';
import { cos } from './rows/cos.ts';
import { gcs } from './rows/gcs.ts';
import { kodo } from './rows/kodo.ts';
import { minio } from './rows/minio.ts';
import { obs } from './rows/obs.ts';
import { oss } from './rows/oss.ts';
import { other } from './rows/other.ts';
import { r2 } from './rows/r2.ts';
import { tos } from './rows/tos.ts';
import { wasabi } from './rows/wasabi.ts';
import type { StandInRow } from './strictness.ts';

/** The stand-ins, by the names that storages have in a configuration. */
export const STAND_INS = {
  oss,
  cos,
  kodo,
  obs,
  tos,
  aws: {
    ...AWS,
    because: { v2: 'C: buckets made after 2020-06-24', regions: 'C: validated', chunkedTransfer: 'C: 411' },
  },
  minio,
  ceph,
  r2,
  b2,
  gcs,
  wasabi,
  other,
} as const satisfies Readonly<Record<string, StandInRow>>;

export type StandInName = keyof typeof STAND_INS;
