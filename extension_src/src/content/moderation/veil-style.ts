/**
 * Style of the veil: a calm sheet in the block's place, lit from the side where reading starts.
 * It adapts to its own size by container queries, from a whole article down to one word.
 * Text on the sheet keeps a contrast of at least 4.5 : 1 in both schemes (WCAG 2.2, 1.4.3).
 */
export const VEIL_CSS = `
.veil {
  --paper: #f4f2ee; --edge: #e2ded6; --ink: #5a564e; --accent: #87500f; --glow: #f7e0bb;
  position: absolute; box-sizing: border-box; container-type: size;
  border-radius: 6px; animation: settle 140ms ease-out;
  font: 500 13px/20px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
.veil[data-scheme="dark"] {
  --paper: #23242a; --edge: #34353c; --ink: #b9b5ac; --accent: #efbd78; --glow: #4d3b22;
}
.veil[hidden] { display: none; }
button {
  all: unset; position: absolute; inset: 0; box-sizing: border-box; cursor: pointer;
  border-radius: inherit; overflow: clip; color: var(--ink); text-align: start;
  background: linear-gradient(to right, var(--glow), var(--paper) min(96px, 40%));
  box-shadow: inset 0 0 0 1px var(--edge);
}
.veil[dir="rtl"] button {
  background: linear-gradient(to left, var(--glow), var(--paper) min(96px, 40%));
}
button:hover .show { text-decoration: underline; text-underline-offset: 3px; }
button:focus-visible { outline: 2px solid var(--accent); outline-offset: -2px; }
.row {
  position: sticky; inset-block: 8px; box-sizing: border-box; max-block-size: 100%;
  min-block-size: min(100%, 40px); display: flex; align-items: center; gap: 8px;
  padding-inline: 12px; white-space: nowrap;
}
svg { flex: none; inline-size: 16px; block-size: 16px; color: var(--accent); }
.why { overflow: hidden; text-overflow: ellipsis; }
.show { flex: none; color: var(--accent); font-weight: 600; padding-inline-start: 4px; }
@container (max-height: 27px) {
  .row { font-size: 12px; line-height: 16px; padding-inline: 8px; gap: 6px; }
  svg { inline-size: 12px; block-size: 12px; }
}
@container (max-height: 13px) { .row { visibility: hidden; } }
@container (max-width: 220px) { .why { display: none; } .show { padding: 0; } }
@container (max-width: 88px) { .show { display: none; } .row { padding-inline: 4px; justify-content: center; } }
.status {
  position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap;
}
@keyframes settle { from { opacity: 0; } }
@media (prefers-reduced-motion: reduce) { .veil { animation: none; } }
@media (forced-colors: active) {
  button { background: ButtonFace; color: ButtonText; outline: 1px solid ButtonText; outline-offset: -1px; }
  button:focus-visible { outline: 3px solid Highlight; outline-offset: -3px; }
  svg, .show { color: ButtonText; }
}
`;
