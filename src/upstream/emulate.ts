import type { Layer } from '../s3/message.ts';
import type { Dialect } from './dialect.ts';
import { bucketSuffix } from './emulate/bucket-suffix.ts';
import { checksums } from './emulate/checksums.ts';
import { copyObject } from './emulate/copy-object.ts';
import { deleteObjects } from './emulate/delete-objects.ts';
import { listObjects } from './emulate/list-objects.ts';
import { lostComplete } from './emulate/lost-complete.ts';
import { md5Etags } from './emulate/md5-etags.ts';
import { partCopy } from './emulate/part-copy.ts';
import { putObject } from './emulate/put-object.ts';
import { standIns } from './emulate/stand-ins.ts';
import { storageClass } from './emulate/storage-class.ts';
import { uploadList } from './emulate/upload-list.ts';

export interface EmulationSettings {
  /** Bytes of a part of uploads that the service does not take in one request. */
  readonly uploadPartSize: number;
  readonly now: () => Date;
}

interface Emulation {
  /** Whether a row asks for it. Those that also watch for a service's surprises are always there. */
  readonly isNeeded: (dialect: Dialect) => boolean;
  readonly layer: (dialect: Dialect, settings: EmulationSettings) => Layer;
}

const always = (): boolean => true;

/**
 * What Sluice does in a service's stead, one file each, in the order a request meets them. Some ask further questions:
 * those meet only what stands below. Below all of them are the retries and `forward`.
 */
const EMULATIONS: readonly Emulation[] = [
  { isNeeded: (row) => row.bucketSuffix !== '', layer: (row) => bucketSuffix(row.bucketSuffix) },
  { isNeeded: (row) => Object.keys(classesOf(row)).length > 0, layer: (row) => storageClass(classesOf(row)) },
  { isNeeded: always, layer: checksums },
  { isNeeded: always, layer: standIns },
  { isNeeded: (row) => row.etag === 'md5', layer: md5Etags },
  { isNeeded: always, layer: listObjects },
  { isNeeded: always, layer: (_row, settings) => uploadList(settings) },
  { isNeeded: always, layer: deleteObjects },
  { isNeeded: always, layer: copyObject },
  { isNeeded: always, layer: partCopy },
  { isNeeded: always, layer: (row, { uploadPartSize }) => putObject(row, uploadPartSize) },
  { isNeeded: (row) => row.etag === 'aws', layer: lostComplete },
];

/** The layers that make a plain S3 service of one with this dialect, outermost first. */
export function emulate(dialect: Dialect, settings: EmulationSettings): readonly Layer[] {
  return EMULATIONS.filter(({ isNeeded }) => isNeeded(dialect)).map(({ layer }) => layer(dialect, settings));
}

function classesOf({ signature, nativeSignature, storageClasses }: Dialect): Readonly<Record<string, string>> {
  return signature === 'native' && nativeSignature !== undefined ? nativeSignature.storageClasses : storageClasses;
}
