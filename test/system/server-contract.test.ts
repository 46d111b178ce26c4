/** The contract of the server on every real one that is here. */
import { test } from 'node:test';
import { versionText } from '../../src/io/server/flavor.ts';
import { trialServers } from '../../src/io/server/trial.ts';
import { testServer } from '../contracts/server.ts';
import { realBed } from '../contracts/server-beds.ts';

for (const located of await trialServers()) {
  const { product, major } = located.flavor;
  const name = versionText(located.flavor);
  if ((product === 'redis' && major === 7) || (product === 'valkey' && major === 8)) {
    testServer(name, realBed(located));
  } else {
    test(`${name} keeps the contract`, { skip: 'its replies were not recorded' }, () => undefined);
  }
}
