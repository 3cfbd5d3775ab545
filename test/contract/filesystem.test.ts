import t from 'tap';
import { serve } from '../../src/store/serve.ts';
import { openTestStore } from '../support/filesystem-store.ts';
import { handlerContract } from './object-store.ts';

await handlerContract(t, async (t) => serve((await openTestStore(t)).store));
