/**
 * What tests leave behind: processes, and files in the temporary directory.
 *
 * Everything that a file starts inherits a mark in its environment and a TMPDIR of the file's own,
 * so that what is left can be told from what others run on the machine, and whose it is. Processes
 * that are left are killed, by their number, after they were named.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MARK = 'LEFT_BY_TEST_RUN';
/** Processes that are ending when their test ends get this long. */
const PATIENCE_MS = 3_000;
const LOOK_MS = 50;

/** Of a whole run. */
export class Leftovers {
  /** Short: unix sockets live below it, and their paths may have 107 bytes. */
  readonly #directory = mkdtempSync(join(tmpdir(), 'al-'));
  readonly #mark = `${process.pid}.${Date.now()}`;
  #files = 0;

  ofFile(name: string): FileLeftovers {
    this.#files += 1;
    const directory = join(this.#directory, String(this.#files));
    mkdirSync(directory);
    return new FileLeftovers(name, directory, `${this.#mark}.${this.#files}.`);
  }

  /** Ends everything at once, and leaves nothing: also on the way out after Ctrl-C. */
  close(): void {
    for (const pid of processesOf(this.#directory, `${this.#mark}.`)) kill(pid);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

export class FileLeftovers {
  /** For the process of the file. */
  readonly environment: Readonly<Record<string, string>>;
  readonly #name: string;
  readonly #directory: string;
  readonly #mark: string;

  constructor(name: string, directory: string, mark: string) {
    this.environment = { [MARK]: mark, TMPDIR: directory };
    this.#name = name;
    this.#directory = directory;
    this.#mark = mark;
  }

  /** One line for each thing that the file left behind; it is gone afterwards. */
  async complaints(): Promise<string[]> {
    const deadline = Date.now() + PATIENCE_MS;
    while (this.#processes().length > 0 && Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    const complaints: string[] = [];
    for (const pid of this.#processes()) {
      complaints.push(`${this.#name} left process ${pid}: ${commandOf(pid)}`);
      kill(pid);
    }
    for (const entry of readdirSync(this.#directory))
      complaints.push(`${this.#name} left ${join(this.#directory, entry)}`);
    rmSync(this.#directory, { recursive: true, force: true });
    return complaints;
  }

  #processes(): number[] {
    return processesOf(this.#directory, this.#mark);
  }
}

function processesOf(directory: string, mark: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map(Number)
    .filter((pid) => {
      try {
        if (`${readlinkSync(`/proc/${pid}/cwd`)}/`.startsWith(`${directory}/`)) return true;
        return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`${MARK}=${mark}`);
      } catch {
        return false;
      }
    });
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').slice(0, 200);
  } catch {
    return '';
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It is gone, which is what was wanted.
  }
}
