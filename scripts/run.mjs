/** `node scripts/run.mjs [--with-server] FILE [ARGS]`: bootstraps, then runs FILE on Node 24. */
import { runScript } from './bootstrap.mjs';

const args = process.argv.slice(2);
const withServer = args[0] === '--with-server';
if (withServer) args.shift();
const [file, ...rest] = args;
await runScript(file, rest, { withServer });
