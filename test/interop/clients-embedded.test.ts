import { tryClientsOn } from './client-rounds.ts';

await tryClientsOn('embedded');
