// Digits drawn with half-block characters, two rows of pixels a line of text.

export interface Picture {
  /** Row-major bytes, `side` x `side`. */
  readonly pixels: Uint8Array;
  readonly caption: string;
}

const INK = 96;
const GAP = "   ";
/** The border of MNIST's images, which is always paper. */
const MARGIN = 4;

function drawRow(pixels: Uint8Array, side: number, row: number): string {
  let text = "";
  for (let column = MARGIN; column < side - MARGIN; column++) {
    const upper = pixels[row * side + column] >= INK;
    const lower = pixels[(row + 1) * side + column] >= INK;
    text += upper ? (lower ? "█" : "▀") : lower ? "▄" : " ";
  }
  return text;
}

/** As many pictures side by side as fit into `columns`, captions below. */
export function drawPictures(pictures: readonly Picture[], side: number, columns: number): string {
  const width = side - 2 * MARGIN + GAP.length;
  const shown = pictures.slice(0, Math.max(1, Math.floor((columns + GAP.length) / width)));
  const lines: string[] = [];
  for (let row = MARGIN; row + 1 < side - MARGIN + 1; row += 2) {
    lines.push(shown.map(({ pixels }) => drawRow(pixels, side, row)).join(GAP));
  }
  lines.push(shown.map(({ caption }) => caption.padEnd(side - 2 * MARGIN)).join(GAP));
  return lines.map((line) => line.trimEnd()).join("\n");
}
