/**
 * A leader whose own disk stalls: the others commit without it, so that nothing else would notice.
 * What its disk lags behind is bounded by not reading clients, and a leader that waits for its disk
 * too long hands over, planned.
 */
export interface DiskWatchLimits {
  /** A write under way for so long is a stall. */
  readonly diskWaitTicksMax: number;
  /** Between two attempts to hand over. */
  readonly handOverRetryTicks: number;
  /** Payload bytes in the log of which the own disk has not told yet that it holds them. */
  readonly unpersistedBytesMax: number;
}

export interface DiskSight {
  readonly isOpen: boolean;
  /** Whether there is somebody to hand over to. */
  readonly hasPeers: boolean;
  readonly diskWaitTicks: number;
  readonly unpersistedBytes: number;
}

export interface DiskWatchPorts {
  setDiskBehind(isBehind: boolean): void;
  handOver(why: string): void;
}

export class DiskWatch {
  readonly #limits: DiskWatchLimits;
  readonly #ports: DiskWatchPorts;
  #isBehind = false;
  #waitTicks = 0;

  constructor(limits: DiskWatchLimits, ports: DiskWatchPorts) {
    this.#limits = limits;
    this.#ports = ports;
  }

  tick(sight: DiskSight): void {
    const { unpersistedBytesMax, diskWaitTicksMax, handOverRetryTicks } = this.#limits;
    const bytes = sight.isOpen ? sight.unpersistedBytes : 0;
    const isBehind = bytes > (this.#isBehind ? unpersistedBytesMax / 2 : unpersistedBytesMax);
    if (isBehind !== this.#isBehind) {
      this.#isBehind = isBehind;
      this.#ports.setDiskBehind(isBehind);
    }
    if (this.#waitTicks > 0) this.#waitTicks -= 1;
    const isStalled = sight.diskWaitTicks >= diskWaitTicksMax;
    if (!isStalled || !sight.isOpen || !sight.hasPeers || this.#waitTicks > 0) return;
    this.#waitTicks = handOverRetryTicks;
    this.#ports.handOver(`its disk has kept a write waiting for ${sight.diskWaitTicks} ticks`);
  }
}
