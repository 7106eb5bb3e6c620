// A progress line: redrawn in place on a terminal, printed every tenth of the way into a file or pipe.

export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const BAR_CELLS = 24;
const REDRAW_MILLISECONDS = 80;

export class Progress {
  private lastDraw = Number.NEGATIVE_INFINITY;
  private lastTenth = 0;

  constructor(
    private readonly stream: ProgressStream,
    private readonly total: number,
  ) {}

  /** Whether `update` would show anything now: a caller may save itself the numbers. */
  isDue(done: number, now = performance.now()): boolean {
    if (this.stream.isTTY) return now - this.lastDraw >= REDRAW_MILLISECONDS;
    return Math.floor((10 * done) / this.total) > this.lastTenth;
  }

  update(done: number, text: string, now = performance.now()): void {
    this.lastDraw = now;
    this.lastTenth = Math.floor((10 * done) / this.total);
    const percent = `${Math.floor((100 * done) / this.total)} %`.padStart(5);
    if (!this.stream.isTTY) {
      this.stream.write(`${percent}  ${text}\n`);
      return;
    }
    const filled = Math.round((BAR_CELLS * done) / this.total);
    const line = `${"█".repeat(filled)}${"░".repeat(BAR_CELLS - filled)} ${percent}  ${text}`;
    // A line that wraps could not be redrawn.
    this.stream.write(`\r\x1b[2K${line.slice(0, (this.stream.columns ?? 80) - 1)}`);
  }

  /** Ends the line, so that what is printed next starts on its own. */
  end(): void {
    if (this.stream.isTTY && this.lastDraw > Number.NEGATIVE_INFINITY) this.stream.write("\n");
  }
}
