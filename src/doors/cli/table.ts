/** Columns of text, aligned; colour is put on afterwards, so that it takes no width. */
import { printable } from './terminal.ts';

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

export interface Cell {
  readonly text: string;
  readonly paint?: (text: string) => string;
}

const GAP = '   ';

export function table(columns: readonly Column[], rows: readonly (readonly Cell[])[]): string[] {
  const shown = rows.map((row) => row.map((cell) => ({ ...cell, text: printable(cell.text) })));
  const widths = columns.map(({ title }, at) =>
    Math.max(title.length, ...shown.map((row) => row[at]?.text.length ?? 0)),
  );
  const line = (cells: readonly Cell[]): string =>
    cells
      .map(({ text, paint = (plain) => plain }, at) => {
        const width = widths[at] ?? 0;
        // The last column of a line needs no blanks behind it.
        if (columns[at]?.align === 'right') return paint(text.padStart(width));
        return at === columns.length - 1 ? paint(text) : paint(text.padEnd(width));
      })
      .join(GAP);
  return [line(columns.map(({ title }) => ({ text: title }))), ...shown.map(line)];
}
