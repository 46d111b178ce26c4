/** The little SVG that the plots need, as text. */

export type Attributes = Readonly<Record<string, string | number>>;

export function element(name: string, attributes: Attributes, ...children: string[]): string {
  const words = Object.entries(attributes).map(
    ([key, value]) => ` ${key}="${typeof value === 'number' ? short(value) : escapeHtml(value)}"`,
  );
  const inside = children.join('');
  return inside === ''
    ? `<${name}${words.join('')}/>`
    : `<${name}${words.join('')}>${inside}</${name}>`;
}

/** `words` are escaped; children that are elements go to `element`. */
export function text(attributes: Attributes, words: string): string {
  return element('text', attributes, escapeHtml(words));
}

export function escapeHtml(words: string): string {
  const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '"': '&quot;' };
  return words.replace(/[&<"]/g, (letter) => entities[letter] ?? letter);
}

function short(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** 1, 2 and 5 of each decade that lies within, or only 1 where that would be crowded. */
export function logTicks(low: number, high: number): number[] {
  const [from, to] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const steps = to - from > 3 ? [1] : [1, 2, 5];
  const ticks: number[] = [];
  for (let decade = from; decade <= to; decade++)
    for (const step of steps) ticks.push(step * 10 ** decade);
  // Powers of ten come out a little beside themselves: a tick at the very end must not be lost.
  return ticks.filter((tick) => tick >= low * 0.999 && tick <= high * 1.001);
}

/** About five round numbers from zero to `high`. */
export function linearTicks(high: number): number[] {
  const raw = high / 5;
  const decade = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((n) => n * decade).find((n) => n >= raw) ?? decade;
  return Array.from({ length: Math.floor(high / step + 0.001) + 1 }, (_, i) => i * step);
}

/** 1500 as 1.5 K; three digits at most. */
export function shortNumber(value: number): string {
  if (value >= 1e6) return `${Number((value / 1e6).toPrecision(3))} M`;
  if (value >= 1e3) return `${Number((value / 1e3).toPrecision(3))} K`;
  return String(Number(value.toPrecision(3)));
}
