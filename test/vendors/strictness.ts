/** How strict a stand-in is: values only. One row per vendor is in `rows.ts`, one check per field in `rules.ts`. */

/** How a vendor says no. Texts may hold `{bucket}`, `{host}`, `{resource}`, `{requestId}`, `{header}` and `{value}`. */
export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly details?: Readonly<Record<string, string>>;
}

export type OrRefusal<T extends string> = T | Refusal;

export interface Strictness {
  /** The service's host before `.localhost`, shaped like the vendor's own. */
  readonly host: string;
  /** A region in which its clients sign. */
  readonly region: string;
  readonly regions: readonly string[] | 'any';

  readonly path: OrRefusal<'served'>;
  /** `unknown`: the vendor never looks for a bucket in the Host header. */
  readonly virtual: 'served' | 'unknown';
  readonly v2: OrRefusal<'accepted'>;
  /** A hexadecimal SHA-256 as the payload of a PUT with a body. */
  readonly payloadHash: OrRefusal<'accepted'>;
  /** A hash other than that of nothing on GET, HEAD and DELETE. */
  readonly strayHash: OrRefusal<'accepted'>;
  readonly signedChunks: OrRefusal<'accepted'>;
  readonly trailers: OrRefusal<'accepted'>;
  readonly chunkedTransfer: OrRefusal<'accepted'>;
  /** `x-amz-checksum-…` and `x-amz-sdk-checksum-algorithm` on requests. */
  readonly checksums: OrRefusal<'verified' | 'ignored'>;
  /** `x-amz-checksum-mode`. */
  readonly checksumMode: OrRefusal<'ignored'>;
  /** Headers that break the signature when signed, as something on the way changes them. */
  readonly unsignable: readonly string[];
  /** Parameters that are refused. */
  readonly parameters: readonly string[];
  /** Request headers that are refused, as a pattern on the name. */
  readonly headers: { readonly pattern: RegExp; readonly refusal: Refusal } | undefined;
  /** Sub-resources there is no such thing as. */
  readonly subresources: { readonly names: readonly string[]; readonly refusal: Refusal } | undefined;

  readonly deleteDigest: {
    readonly accepts: readonly ('content-md5' | 'checksum' | 'crc32')[];
    readonly refusal: Refusal;
  };
  readonly deleteKeys: { readonly most: number; readonly refusal: Refusal };
  /** If-Match and If-None-Match on writes. */
  readonly conditions: OrRefusal<'honoured' | 'ignored'>;
  /** The vendor's own header that refuses to overwrite, answered by 409. */
  readonly forbidOverwrite: string | undefined;

  readonly listV2: OrRefusal<'served' | 'as V1'>;
  /** `loops`: a marker is not honoured beside it. `not prefixes`: CommonPrefixes stay as they are. */
  readonly encodingType: OrRefusal<'served' | 'ignored' | 'loops' | 'not prefixes'>;
  readonly maxKeys: OrRefusal<'capped'>;
  /** ListMultipartUploads shows uploads only where the prefix is the whole key. */
  readonly uploadsByWholeKey: boolean;

  /** Bytes. */
  readonly minPart: number;
  readonly equalParts: boolean;
  readonly maxPut: number;
  readonly maxCopy: number;
  /** Bytes of names and values of `x-amz-meta-`. */
  readonly maxMetadata: number;
  /** Whether `Expect: 100-continue` is answered before the body. */
  readonly answersContinue: boolean;
  readonly partCopy: OrRefusal<'served'>;
  readonly bucketNames: RegExp;
  readonly keys: RegExp;
  readonly storageClasses: readonly string[];
  readonly acls: readonly string[];
  /** What CreateBucket may name, '' being nothing; undefined takes anything. */
  readonly locations: readonly string[] | undefined;
  /** The answer to making one's own bucket again. */
  readonly ownBucket: OrRefusal<'made'>;

  readonly etagCase: 'lower' | 'upper';
  readonly etagQuotes: boolean;
  readonly multipartETag: 'aws' | 'random';
  readonly namespace: string | undefined;
  /** HEAD of an empty object says no length. */
  readonly silentEmptyHead: boolean;
  /** Headers of every answer. */
  readonly answerHeaders: Readonly<Record<string, string>>;
  /** Elements of every error document beside Code and Message. */
  readonly errorElements: Readonly<Record<string, string>>;
  /** Headers of every error, with `{code}`. */
  readonly errorHeaders: Readonly<Record<string, string>>;
}

/** A vendor's row. */
export interface StandInRow extends Strictness {
  /**
   * Where a value comes from: C vendor's documentation, T a widely used tool, R users' reports, I inferred,
   * ? not confirmed, and then the stricter reading is what the stand-in does.
   */
  readonly because: Readonly<Partial<Record<keyof Strictness, `${'C' | 'T' | 'R' | 'I' | '?'}: ${string}`>>>;
}
