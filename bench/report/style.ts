/** How the page looks; it refers to nothing outside itself. */
export const STYLE = `
:root { color-scheme: light; --ink: #111827; --soft: #6b7280; --line: #e5e7eb; }
body { margin: 2rem auto; max-width: 1280px; padding: 0 1rem; color: var(--ink);
  background: #fff; font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem; border-bottom: 1px solid var(--line); }
p { margin: .4rem 0; max-width: 48rem; }
.soft, figcaption { color: var(--soft); font-size: .87rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(440px, 1fr)); gap: 1rem; }
figure { margin: 0; }
svg { width: 100%; height: auto; display: block; }
svg text { font: 11px system-ui, sans-serif; fill: var(--soft); }
svg .title { font-size: 13px; font-weight: 600; fill: var(--ink); }
svg .end { text-anchor: end; }
svg .middle { text-anchor: middle; }
svg .grid { stroke: var(--line); }
svg .axis { stroke: var(--soft); }
svg .line { fill: none; stroke-width: 2; }
svg .spread { stroke-width: 5; stroke-opacity: .28; }
svg .floor { stroke: #dc2626; stroke-dasharray: 5 4; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; margin: .5rem 0; font-size: .87rem; }
.legend i { display: inline-block; width: .8rem; height: .8rem; border-radius: 2px;
  margin-right: .35rem; vertical-align: -1px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .87rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem .25rem 0; text-align: left; border-bottom: 1px solid var(--line); }
td:first-child, th, .number { white-space: nowrap; }
th { font-weight: 600; }
td.number, th.number { text-align: right; }
tr.first td { border-top: 2px solid var(--line); }
.reached { color: #15803d; font-weight: 600; }
.missed { color: #b91c1c; font-weight: 600; }
.unknown { color: var(--soft); }
`;
