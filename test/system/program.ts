/** The program as users run it: bundled, unless that is not possible here. */
// Plain JavaScript of the bootstrap, without types.
const from = '../../scripts/program.mjs';
const { programFile } = (await import(from)) as { programFile(): Promise<string> };

export const PROGRAM = await programFile();
