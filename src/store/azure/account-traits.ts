import { S3Error } from '../../s3/error.ts';
import type { Tags } from '../object-store.ts';
import { doesTellMd5 } from './blocks.ts';
import type { AzureClient, AzureLog } from './client.ts';
import type { BlobAddress } from './copy-blob.ts';
import { azureStatus } from './errors.ts';
import { pathFault } from './names.ts';

/** What differs between accounts, learned when first needed. */
export class AccountTraits {
  readonly #client: AzureClient;
  readonly #log: AzureLog;
  #isHierarchical: boolean | undefined;
  #tellsMd5: Promise<boolean> | undefined;

  constructor(client: AzureClient, log: AzureLog) {
    this.#client = client;
    this.#log = log;
  }

  /**
   * Whether the account has a hierarchical namespace (ADLS Gen2). An account that does not let us know is taken for a
   * flat one, which most are.
   */
  async isHierarchical(): Promise<boolean> {
    this.#isHierarchical ??= await this.#ask();
    return this.#isHierarchical;
  }

  /**
   * Refuses keys that would be other keys on a hierarchical account. Few could be, so that the account is seldom asked.
   * @throws S3Error InvalidArgument, KeyTooLongError
   */
  async checkKey(key: string): Promise<void> {
    const fault = pathFault(key);
    if (fault !== undefined && (await this.isHierarchical())) throw fault;
  }

  /**
   * Whether Azure may be left to compute the MD5 of a block: it tells it, and what it received is what was sent. TLS
   * sees to that; on a plain line nobody would but us.
   * @param upload a blob that may get a block which nobody uses
   */
  async tellsMd5(upload: BlobAddress): Promise<boolean> {
    if (this.#client.account.origin.protocol !== 'https') return false;
    this.#tellsMd5 ??= this.#tryBlock(upload);
    return this.#tellsMd5;
  }

  async #tryBlock(upload: BlobAddress): Promise<boolean> {
    try {
      return await doesTellMd5(this.#client, upload);
    } catch (error) {
      if (error instanceof S3Error && (azureStatus(error) ?? 500) < 500) return false;
      this.#tellsMd5 = undefined;
      throw error;
    }
  }

  /** Whether the account's own tags may be used for these: they need the permission, and a flat account. */
  async mayTag(tags: Tags): Promise<boolean> {
    const { credential } = this.#client.account;
    // A SAS that leaves its permissions to a stored policy does not tell.
    if (credential.kind === 'sas' && !/(?:^|&)sp=[a-z]*t/.test(credential.token)) return false;
    return tags.length === 0 || !(await this.isHierarchical());
  }

  async #ask(): Promise<boolean> {
    const { credential } = this.#client.account;
    // A SAS for less than an account is refused for sure.
    if (credential.kind === 'sas' && !/(?:^|&)ss=/.test(credential.token)) return false;
    try {
      const headers = await this.#client.head({ method: 'HEAD', query: { restype: 'account', comp: 'properties' } });
      const isHierarchical = headers.get('x-ms-is-hns-enabled') === 'true';
      if (isHierarchical) {
        this.#log.warn(
          {},
          'the account has a hierarchical namespace: listings are in the order of paths, see docs/systems/azure.md',
        );
      }
      return isHierarchical;
    } catch (error) {
      if (error instanceof S3Error && (azureStatus(error) ?? 500) < 500) return false;
      throw error;
    }
  }
}
