export interface ListenAddress {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
}

/** Splits `HOST:PORT`, as the schema has checked it; no host means every address. */
export function parseListen(text: string): ListenAddress {
  const colon = text.lastIndexOf(':');
  const host = text.slice(0, colon).replace(/^\[|\]$/g, '');
  return { host: host === '' ? '0.0.0.0' : host, port: Number(text.slice(colon + 1)) };
}

/** Where the admin port listens: as configured, else on this machine only, one above the S3 port. */
export function adminListen({
  listen,
  admin,
}: {
  readonly listen: string;
  readonly admin: { readonly listen?: string | undefined };
}): ListenAddress {
  if (admin.listen !== undefined) return parseListen(admin.listen);
  const { port } = parseListen(listen);
  return { host: '127.0.0.1', port: port === 0 || port === 65_535 ? 0 : port + 1 };
}

/** An address listened on, as clients on this machine can write it in a URL. */
export function urlHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
