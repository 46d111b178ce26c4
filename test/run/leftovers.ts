/**
 * What tests leave behind: processes, and files in the temporary directory.
 *
 * Everything started here inherits a mark in its environment and a TMPDIR of our own, so that what
 * is left can be told from what others run on the machine. Processes that are left are killed, by
 * their number, after they were named.
 */
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MARK = 'LEFT_BY_TEST_RUN';
/** Processes that are ending when their test ends get this long. */
const PATIENCE_MS = 3_000;
const LOOK_MS = 50;

export class Leftovers {
  /** Short: unix sockets live below it, and their paths may have 107 bytes. */
  readonly #directory = mkdtempSync(join(tmpdir(), 'al-'));
  readonly #mark = `${process.pid}.${Date.now()}`;

  constructor() {
    process.env[MARK] = this.#mark;
    process.env['TMPDIR'] = this.#directory;
  }

  /** One line for each thing that `file` left behind; it is gone afterwards. */
  async complaints(file: string): Promise<string[]> {
    const deadline = Date.now() + PATIENCE_MS;
    while (this.#processes().length > 0 && Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    const complaints: string[] = [];
    for (const pid of this.#processes()) {
      complaints.push(`${file} left process ${pid}: ${commandOf(pid)}`);
      kill(pid);
    }
    for (const name of readdirSync(this.#directory)) {
      complaints.push(`${file} left ${join(this.#directory, name)}`);
      rmSync(join(this.#directory, name), { recursive: true, force: true });
    }
    return complaints;
  }

  /** Ends everything at once, and leaves nothing: also on the way out after Ctrl-C. */
  close(): void {
    for (const pid of this.#processes()) kill(pid);
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #processes(): number[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
      .map(Number)
      .filter((pid) => this.#isOurs(pid));
  }

  #isOurs(pid: number): boolean {
    try {
      if (readlinkSync(`/proc/${pid}/cwd`).startsWith(this.#directory)) return true;
      return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`${MARK}=${this.#mark}`);
    } catch {
      return false;
    }
  }
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
