import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

/** Writes an image of one layer that is nothing but these bytes, as skopeo's folder form has it; tells the layer's SHA-256. */
export function plantImage(folder: string, bytes: Uint8Array): string {
  mkdirSync(folder);
  const blob = (content: Buffer): { readonly digest: string; readonly size: number } => {
    const hex = createHash('sha256').update(content).digest('hex');
    writeFileSync(join(folder, hex), content);
    return { digest: `sha256:${hex}`, size: content.length };
  };
  const layer = blob(gzipSync(bytes, { level: 0 }));
  const rootfs = { type: 'layers', diff_ids: [layer.digest] };
  const config = blob(Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', config: {}, rootfs })));
  const base = 'application/vnd.docker';
  const manifest = {
    schemaVersion: 2,
    mediaType: `${base}.distribution.manifest.v2+json`,
    config: { mediaType: `${base}.container.image.v1+json`, ...config },
    layers: [{ mediaType: `${base}.image.rootfs.diff.tar.gzip`, ...layer }],
  };
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest));
  writeFileSync(join(folder, 'version'), 'Directory Transport Version: 1.1\n');
  return layer.digest.slice('sha256:'.length);
}
