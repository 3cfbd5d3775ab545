import type { XmlNode } from '../../s3/xml.ts';
import { readXml } from '../decode/document.ts';
import { parseTagging } from '../decode/tags.ts';
import { emptyAnswer, xmlAnswer } from '../encode/answer.ts';
import { type Operations, placeOf } from '../operation.ts';

/** An object's tags. */
export const taggingOperations = {
  async GetObjectTagging(request, { store }) {
    const tags = await store.getObjectTagging(placeOf(request));
    const set = tags.map(
      ([name, value]): XmlNode => [
        'Tag',
        [
          ['Key', name],
          ['Value', value],
        ],
      ],
    );
    return xmlAnswer(['Tagging', [['TagSet', set]]]);
  },

  async PutObjectTagging(request, { store }) {
    const place = placeOf(request);
    await store.putObjectTagging(place, parseTagging(await readXml(request, 'Tagging')));
    return emptyAnswer(200);
  },

  async DeleteObjectTagging(request, { store }) {
    await store.putObjectTagging(placeOf(request), []);
    return emptyAnswer(204);
  },
} satisfies Operations;
