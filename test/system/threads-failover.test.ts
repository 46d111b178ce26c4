/** `failover.test.ts` once more, with clients served by two threads of each agent. */
process.env['ALTHING_RELAY_THREADS'] = '2';
await import('./failover.test.ts');
