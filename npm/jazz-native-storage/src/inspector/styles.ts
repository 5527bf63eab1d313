/** How the inspector looks. It takes its size from where it is put, and its colours from what the user prefers. */
export const STYLES = `
:host {
  color-scheme: light dark;
  --surface: #ffffff; --raised: #f6f7f9; --line: #dfe3e8; --text: #1b2430; --muted: #5b6675;
  --accent: #1f5fd6; --accent-soft: #e8effc; --on-accent: #ffffff;
  --good: #17713b; --good-soft: #e5f4ea; --bad: #b3261e; --bad-soft: #fcebea; --warn: #8a5300; --warn-soft: #fdf1dc;
  display: block; container-type: inline-size; min-width: 0;
  font: 14px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; color: var(--text);
}
:host([hidden]) { display: none; }
@media (prefers-color-scheme: dark) {
  :host {
    --surface: #14181e; --raised: #1c222a; --line: #313a46; --text: #e7ebf0; --muted: #a0acba;
    --accent: #84b0ff; --accent-soft: #1d2f4e; --on-accent: #0d1726;
    --good: #7fd6a0; --good-soft: #16311f; --bad: #ff9f97; --bad-soft: #431d1b; --warn: #f0bf74; --warn-soft: #3b2b10;
  }
}
*, *::before, *::after { box-sizing: border-box; }
h2, h3, p, dl, dd, ul { margin: 0; padding: 0; }
code, .id { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 12.5px; }
.panel {
  display: flex; flex-direction: column; height: 100%; max-height: inherit; overflow: hidden;
  background: var(--surface); border: 1px solid var(--line); border-radius: 12px;
}
.top { display: flex; flex-wrap: wrap; align-items: center; gap: 8px 12px; padding: 14px 16px 12px; }
h2 { font-size: 16px; font-weight: 650; letter-spacing: -0.01em; }
.badges { display: flex; flex-wrap: wrap; gap: 6px; flex: 1; min-width: 0; }
.badge {
  padding: 1px 8px; border-radius: 999px; background: var(--raised); color: var(--muted);
  border: 1px solid var(--line); font-size: 12px; white-space: nowrap;
}
.badge.strong { background: var(--accent-soft); color: var(--accent); border-color: transparent; font-weight: 600; }
.badge.bad { background: var(--bad-soft); color: var(--bad); border-color: transparent; }
.badge.warn { background: var(--warn-soft); color: var(--warn); border-color: transparent; }
.figures {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(104px, 1fr)); gap: 1px;
  background: var(--line); border-block: 1px solid var(--line);
}
.figures div { background: var(--surface); padding: 8px 16px 9px; min-width: 0; }
.figures dt { color: var(--muted); font-size: 12px; white-space: nowrap; }
.figures dd { font-size: 16px; font-weight: 600; font-variant-numeric: tabular-nums; white-space: nowrap; }
.tools { display: flex; flex-wrap: wrap; gap: 8px; padding: 12px 16px; border-bottom: 1px solid var(--line); }
.tools form { flex: 1 1 220px; display: flex; gap: 8px; min-width: 0; }
.tools .actions { display: flex; flex-wrap: wrap; gap: 8px; }
input {
  flex: 1; min-width: 0; height: 34px; padding: 0 10px; border: 1px solid var(--line); border-radius: 8px;
  background: var(--surface); color: inherit; font: inherit;
}
input::placeholder { color: var(--muted); opacity: 1; }
button {
  height: 34px; padding: 0 12px; border: 1px solid var(--line); border-radius: 8px; background: var(--raised);
  color: inherit; font: inherit; font-weight: 550; cursor: pointer; white-space: nowrap;
}
button:hover:not(:disabled) { border-color: var(--accent); }
button:disabled { color: var(--muted); cursor: default; opacity: 0.65; }
button.quiet { background: none; border-color: transparent; }
button.icon { width: 34px; padding: 0; font-size: 18px; line-height: 1; }
button.primary { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.note { padding: 10px 16px; border-bottom: 1px solid var(--line); display: flex; flex-wrap: wrap; gap: 6px 12px; align-items: center; }
.note[hidden] { display: none; }
.note p { flex: 1 1 200px; min-width: 0; overflow-wrap: anywhere; }
.note.good { background: var(--good-soft); color: var(--good); }
.note.bad { background: var(--bad-soft); color: var(--bad); }
.note progress { flex: 2 1 160px; height: 8px; accent-color: var(--accent); min-width: 80px; }
.note ul { flex-basis: 100%; list-style: none; max-height: 180px; overflow: auto; display: grid; gap: 4px; }
.note li { overflow-wrap: anywhere; color: var(--text); }
.body { flex: 1; display: grid; grid-template-columns: minmax(0, 1fr); min-height: 0; }
.body.open { grid-template-columns: minmax(0, 5fr) minmax(0, 6fr); }
.values { display: flex; flex-direction: column; min-height: 0; min-width: 0; }
.list { flex: 1; overflow: auto; min-height: 160px; padding: 4px; outline-offset: -3px; }
.row {
  display: grid; grid-template-columns: minmax(0, 1fr) auto 76px; gap: 12px; align-items: center;
  padding: 6px 12px; border-radius: 8px; cursor: default; min-height: 34px;
}
.row:hover { background: var(--raised); }
.row[aria-selected="true"] { background: var(--accent-soft); }
.row .id { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.row .size { text-align: right; font-variant-numeric: tabular-nums; color: var(--muted); white-space: nowrap; }
.empty { padding: 28px 16px; text-align: center; color: var(--muted); }
.pages {
  display: flex; align-items: center; gap: 8px; padding: 8px 12px; border-top: 1px solid var(--line); color: var(--muted);
  font-variant-numeric: tabular-nums;
}
.pages span { flex: 1; text-align: center; font-size: 13px; }
.detail { border-left: 1px solid var(--line); overflow: auto; padding: 14px 16px 18px; min-width: 0; display: grid; gap: 14px; align-content: start; }
.detail[hidden] { display: none; }
.detail header { display: flex; align-items: flex-start; gap: 8px; }
.detail h3 { flex: 1; min-width: 0; overflow-wrap: anywhere; font-size: 14px; padding-top: 6px; }
.facts { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 6px 16px; }
.facts dt { color: var(--muted); }
.facts dd { min-width: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
caption { text-align: left; font-weight: 600; padding: 0 0 6px; }
th { text-align: left; color: var(--muted); font-weight: 550; white-space: nowrap; }
th, td { padding: 6px 10px; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child td { border-bottom: 0; }
td.figure, th.figure { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td .id { display: block; max-width: 24ch; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.hint { color: var(--muted); font-size: 13px; }
dialog {
  border: 1px solid var(--line); border-radius: 12px; background: var(--surface); color: var(--text);
  padding: 18px; width: min(420px, calc(100vw - 32px));
}
dialog::backdrop { background: rgb(0 0 0 / 40%); }
dialog form { display: grid; gap: 12px; }
dialog label { display: grid; gap: 4px; font-weight: 550; }
dialog input { width: 100%; font-weight: 400; }
dialog input[type="file"] { padding: 6px 10px; height: auto; }
dialog .actions { display: flex; justify-content: flex-end; gap: 8px; }
@container (max-width: 640px) {
  .panel { overflow-y: auto; }
  .body { flex: 1 0 auto; grid-template-rows: minmax(260px, 1fr); }
  .body.open { grid-template-columns: minmax(0, 1fr); grid-template-rows: 260px auto; }
  .list { max-height: 60vh; }
  .detail { border-left: 0; overflow: visible; border-top: 1px solid var(--line); }
  .row { grid-template-columns: minmax(0, 1fr) auto 64px; gap: 8px; }
  .tools .actions { flex: 1 1 100%; display: grid; grid-template-columns: repeat(4, 1fr); gap: 6px; }
  .tools .actions button { padding: 0 4px; }
  .figures { grid-template-columns: repeat(3, minmax(0, 1fr)); }
  .figures div { padding-inline: 12px; }
}
@container (max-width: 400px) {
  .tools .actions, .figures { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .badges { flex-basis: 100%; order: 1; }
  h2 { flex: 1; min-width: 0; overflow-wrap: anywhere; }
  .pages { padding-inline: 8px; gap: 4px; }
  .pages button { padding: 0 8px; }
}
@media (prefers-reduced-motion: no-preference) { button { transition: border-color 120ms; } }
`;
