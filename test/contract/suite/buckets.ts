import type { Test } from 'tap';
import { childText } from '../../../src/s3/xml.ts';
import { type Call, childrenOf, document } from './client.ts';
import type { Traits } from './traits.ts';

export async function bucketContract(t: Test, call: Call, { settings }: Traits): Promise<void> {
  await t.test('a bucket is made, seen, listed and removed', async (t) => {
    t.equal((await call({ method: 'HEAD', bucket: 'life' })).code, 'NoSuchBucket');
    const made = await call({ method: 'PUT', bucket: 'life' });
    t.equal(made.status, 200);
    t.equal(made.headers.get('location'), '/life');
    t.equal((await call({ method: 'HEAD', bucket: 'life' })).status, 200);
    const names = childrenOf(document(await call({ method: 'GET' })), 'Buckets')
      .flatMap((list) => list.children)
      .map((bucket) => childText(bucket, 'Name'));
    t.ok(names.includes('life'));
    t.equal((await call({ method: 'DELETE', bucket: 'life' })).status, 204);
    t.equal((await call({ method: 'DELETE', bucket: 'life' })).code, 'NoSuchBucket');
  });

  await t.test('making it twice answers BucketAlreadyOwnedByYou', async (t) => {
    await call({ method: 'PUT', bucket: 'twice' });
    const again = await call({ method: 'PUT', bucket: 'twice' });
    t.same([again.status, again.code], [409, 'BucketAlreadyOwnedByYou']);
  });

  await t.test('a location constraint is taken, a broken document is not', async (t) => {
    const body =
      '<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>';
    t.equal((await call({ method: 'PUT', bucket: 'located', body })).status, 200);
    const broken = await call({ method: 'PUT', bucket: 'broken', body: body.slice(0, -5) });
    t.same([broken.status, broken.code], [400, 'MalformedXML']);
    t.equal((await call({ method: 'HEAD', bucket: 'broken' })).status, 404, 'nothing was made');
  });

  await t.test('one with an object answers BucketNotEmpty, one with only an upload goes', async (t) => {
    await call({ method: 'PUT', bucket: 'full' });
    await call({ method: 'PUT', bucket: 'full', key: 'k', body: 'x' });
    await call({ method: 'POST', bucket: 'full', key: 'u', query: 'uploads' });
    const refused = await call({ method: 'DELETE', bucket: 'full' });
    t.same([refused.status, refused.code], [409, 'BucketNotEmpty']);
    await call({ method: 'DELETE', bucket: 'full', key: 'k' });
    t.equal((await call({ method: 'DELETE', bucket: 'full' })).status, 204);
    await call({ method: 'PUT', bucket: 'full' });
    const uploads = await call({ method: 'GET', bucket: 'full', query: 'uploads' });
    t.same(childrenOf(document(uploads), 'Upload'), [], 'the upload went with it');
  });

  await t.test(
    'settings that clients ask for at start are answered as by a bucket without any (R19, R20)',
    async (t) => {
      await call({ method: 'PUT', bucket: 'plain' });
      const roots = {
        location: 'LocationConstraint',
        versioning: 'VersioningConfiguration',
        acl: 'AccessControlPolicy',
        notification: 'NotificationConfiguration',
        logging: 'BucketLoggingStatus',
        accelerate: 'AccelerateConfiguration',
        requestPayment: 'RequestPaymentConfiguration',
      };
      // What clients die without is answered everywhere; the rest would tell of the whole bucket behind a prefix.
      const isHidden = (query: string) => settings === 'hidden' && !['location', 'versioning', 'acl'].includes(query);
      for (const [query, root] of Object.entries(roots)) {
        const answer = await call({ method: 'GET', bucket: 'plain', query });
        if (isHidden(query)) {
          t.same([answer.status, answer.code], [501, 'NotImplemented'], query);
          continue;
        }
        t.equal(answer.status, 200, query);
        t.equal(document(answer).name, root);
        t.equal((await call({ method: 'GET', bucket: 'absent', query })).code, 'NoSuchBucket', `${query} of no bucket`);
      }
      const codes = {
        tagging: 'NoSuchTagSet',
        policy: 'NoSuchBucketPolicy',
        lifecycle: 'NoSuchLifecycleConfiguration',
        cors: 'NoSuchCORSConfiguration',
        encryption: 'ServerSideEncryptionConfigurationNotFoundError',
        website: 'NoSuchWebsiteConfiguration',
        replication: 'ReplicationConfigurationNotFoundError',
        ownershipControls: 'OwnershipControlsNotFoundError',
        publicAccessBlock: 'NoSuchPublicAccessBlockConfiguration',
        'object-lock': 'ObjectLockConfigurationNotFoundError',
      };
      for (const [query, code] of Object.entries(codes)) {
        const answer = await call({ method: 'GET', bucket: 'plain', query });
        t.same([answer.status, answer.code], isHidden(query) ? [501, 'NotImplemented'] : [404, code], query);
      }
    },
  );

  await t.test('the ACL is private, and may be set to nothing else', async (t) => {
    await call({ method: 'PUT', bucket: 'acl' });
    await call({ method: 'PUT', bucket: 'acl', key: 'k', body: 'x' });
    const acl = document(await call({ method: 'GET', bucket: 'acl', key: 'k', query: 'acl' }));
    const grant = childrenOf(acl, 'AccessControlList')[0]?.children[0];
    t.equal(grant && childText(grant, 'Permission'), 'FULL_CONTROL');
    const canSet = settings === 'own';
    for (const key of [{}, { key: 'k' }]) {
      const put = { method: 'PUT', bucket: 'acl', query: 'acl', ...key };
      t.equal((await call({ ...put, headers: { 'x-amz-acl': 'private' } })).status, canSet ? 200 : 501);
      t.equal((await call({ ...put, headers: { 'x-amz-acl': 'public-read' } })).status, 501);
    }
    const own = (await call({ method: 'GET', bucket: 'acl', query: 'acl' })).bytes.toString();
    const set = (body: string) => call({ method: 'PUT', bucket: 'acl', key: 'k', query: 'acl', body });
    t.equal((await set(own)).status, canSet ? 200 : 501, 'the document that was read');
    t.equal((await set(own.replace('FULL_CONTROL', 'READ'))).code, 'NotImplemented');
    const second = own.replace('</Grant>', '</Grant><Grant><Permission>READ</Permission></Grant>');
    t.equal((await set(second)).code, 'NotImplemented');
    t.equal((await set('<broken')).code, canSet ? 'MalformedXML' : 'NotImplemented');
    const open = { method: 'PUT', bucket: 'acl', key: 'open', headers: { 'x-amz-acl': 'public-read' }, body: 'x' };
    t.equal((await call(open)).code, 'NotImplemented');
    t.equal((await call({ method: 'HEAD', bucket: 'acl', key: 'open' })).status, 404);
  });

  await t.test(
    'what a store cannot do answers NotImplemented, what S3 has no method for MethodNotAllowed',
    async (t) => {
      await call({ method: 'PUT', bucket: 'cannot' });
      const asked = [
        { method: 'PUT', query: 'versioning', body: '<VersioningConfiguration/>' },
        { method: 'PUT', query: 'policy', body: '{}' },
        { method: 'PUT', key: 'k', query: 'retention', body: '<Retention/>' },
        { method: 'POST', key: 'k', query: 'select&select-type=2', body: '<x/>' },
        { method: 'GET', key: 'k', query: 'torrent' },
      ];
      for (const parts of asked) {
        const answer = await call({ bucket: 'cannot', ...parts });
        t.same([answer.status, answer.code], [501, 'NotImplemented'], `${parts.method} ?${parts.query}`);
      }
      t.equal((await call({ method: 'POST', bucket: 'cannot', key: 'k' })).code, 'MethodNotAllowed');
      t.equal((await call({ method: 'DELETE' })).code, 'MethodNotAllowed');
    },
  );
}
