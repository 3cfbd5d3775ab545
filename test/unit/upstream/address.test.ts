import t from 'tap';
import type { Origin } from '../../../src/http/transport.ts';
import { destinationOf } from '../../../src/upstream/address.ts';
import { type Dialect, mergeDialect } from '../../../src/upstream/dialect.ts';
import type { Target } from '../../../src/upstream/target.ts';
import { VENDORS } from '../../../src/upstream/vendors.ts';

function target(dialect: Partial<Dialect>, endpoint: Partial<Origin> = {}): Target {
  return {
    name: 'x',
    dialect: mergeDialect(VENDORS.other, dialect),
    endpoint: { protocol: 'https', host: 's3.example', port: 443, ...endpoint },
    region: 'r',
    credentials: { accessKey: 'a', secretKey: 's' },
  };
}

t.test('path style puts the bucket in the path, with a slash behind it', (t) => {
  const place = target({ addressing: 'path' });
  t.match(destinationOf(place, 'b', 'a//b c'), { host: 's3.example', path: '/b/a//b%20c' });
  t.match(destinationOf(place, 'b', undefined), { host: 's3.example', path: '/b/' });
  t.match(destinationOf(place, undefined, undefined), { host: 's3.example', path: '/' });
  t.end();
});

t.test('virtual-hosted style connects to the host of the bucket', (t) => {
  const place = target({ addressing: 'virtual' });
  t.match(destinationOf(place, 'b', '/k'), { host: 'b.s3.example', origin: { host: 'b.s3.example' }, path: '//k' });
  t.match(destinationOf(place, undefined, undefined), { host: 's3.example', path: '/' });
  t.end();
});

t.test('a bucket with a dot stays out of the host over TLS, unless the row says otherwise', (t) => {
  t.match(destinationOf(target({ addressing: 'virtual' }), 'a.b', 'k'), { host: 's3.example', path: '/a.b/k' });
  const plain = target({ addressing: 'virtual' }, { protocol: 'http', port: 80 });
  t.match(destinationOf(plain, 'a.b', 'k'), { host: 'a.b.s3.example', path: '/k' });
  const asIs = target({ addressing: 'virtual', dottedBuckets: 'as-is' });
  t.match(destinationOf(asIs, 'a.b', 'k'), { host: 'a.b.s3.example', path: '/k' });
  t.end();
});

t.test('a host bound to a bucket names it nowhere', (t) => {
  t.match(destinationOf(target({ addressing: 'domain' }), 'b', 'k'), { host: 's3.example', path: '/k' });
  t.end();
});

t.test('Host leaves the default port out, and only that', (t) => {
  t.equal(destinationOf(target({}, { port: 9000 }), 'b', 'k').host, 's3.example:9000');
  t.equal(destinationOf(target({}, { protocol: 'http', port: 443 }), 'b', 'k').host, 's3.example:443');
  t.equal(destinationOf(target({}, { protocol: 'http', port: 80 }), 'b', 'k').host, 's3.example');
  t.end();
});
