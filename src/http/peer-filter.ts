import { BlockList, isIP } from 'node:net';

/** Whether an address belongs to a set of peers. */
export type PeerFilter = (address: string) => boolean;

/**
 * Makes a filter of addresses and CIDR ranges, IPv4 and IPv6. IPv4 peers of a dual-stack listener arrive as
 * `::ffff:a.b.c.d` and count as IPv4.
 * @throws Error when an entry is neither
 */
export function peerFilter(entries: readonly string[]): PeerFilter {
  if (entries.length === 0) return () => false;
  const list = new BlockList();
  for (const entry of entries) {
    const [address = '', bits] = entry.split('/');
    const family = familyOf(address);
    if (family === undefined) throw new Error(`not an address or CIDR range: ${entry}`);
    const widest = family === 'ipv4' ? 32 : 128;
    const prefix = bits === undefined ? widest : Number(bits);
    if (!Number.isInteger(prefix) || prefix < 0 || prefix > widest || bits === '') {
      throw new Error(`not an address or CIDR range: ${entry}`);
    }
    list.addSubnet(address, prefix, family);
  }
  return (peer) => {
    const address = peer.startsWith('::ffff:') && peer.includes('.') ? peer.slice('::ffff:'.length) : peer;
    const family = familyOf(address);
    return family !== undefined && list.check(address, family);
  };
}

function familyOf(address: string): 'ipv4' | 'ipv6' | undefined {
  return ({ 4: 'ipv4', 6: 'ipv6' } as const)[isIP(address)];
}
