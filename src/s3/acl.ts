import { buildXml, type XmlNode } from './xml.ts';

/** Who owns everything, as far as clients learn: the accounts of a storage are nobody's business. */
export const OWNER_ID = 'sluice';

/** The content of an Owner or Initiator element. */
export const OWNER = [
  ['ID', OWNER_ID],
  ['DisplayName', OWNER_ID],
] as const satisfies readonly XmlNode[];

export const FULL_CONTROL = 'FULL_CONTROL';

/**
 * The access list of what is private: its owner may do all, and nobody else anything. The grantee's type is an
 * attribute, which `buildXml` does not write; s3cmd and boto3 fail without it.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketAcl.html
 */
export const PRIVATE_ACL: string = buildXml([
  'AccessControlPolicy',
  [
    ['Owner', OWNER],
    [
      'AccessControlList',
      [
        [
          'Grant',
          [
            ['Grantee', OWNER],
            ['Permission', FULL_CONTROL],
          ],
        ],
      ],
    ],
  ],
]).replace('<Grantee>', '<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">');
