import { z } from 'zod';
import { configSchema } from './schema.ts';

/** The JSON Schema of what may stand in a configuration file, for editors. */
export function jsonSchema(): object {
  return {
    ...z.toJSONSchema(configSchema, { io: 'input', target: 'draft-7' }),
    title: 'Sluice configuration',
  };
}
