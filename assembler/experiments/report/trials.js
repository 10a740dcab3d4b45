// The plots of a report of trials, and what choosing a trial does: in the scatter, in the table, in a list.
"use strict";

const { axes, groups, trials, roots, files, fronts } = DATA;
const SYMBOLS = { passed: "circle", untested: "circle-open", failed: "x", error: "triangle-up", ...["circle", "square", "diamond", "triangle-up", "cross", "star", "pentagon", "hexagon"] };
const CONFIG = { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"] };
let chosen = DATA.chosen;

// Plotly reads some markup in texts, and formulas between dollars.
const plain = text => text.replace(/[&<>$]/g, one => `&#${one.charCodeAt(0)};`);
const short = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
const squeezed = (text, most) => (text.length > most ? `${text.slice(0, Math.ceil(most / 2) - 1)}…${text.slice(-Math.floor(most / 2))}` : text); // paths differ in their ends

function layout(more) {
  const axis = { gridcolor: color("line"), linecolor: color("muted"), zerolinecolor: color("muted"), automargin: true, separatethousands: true };
  const font = { color: color("fg"), family: "system-ui, 'DejaVu Sans', sans-serif", size: 13 };
  const hoverlabel = { bgcolor: color("soft"), bordercolor: color("muted"), font: { ...font, size: 12 }, align: "left" };
  return { paper_bgcolor: color("bg"), plot_bgcolor: color("bg"), font, hoverlabel, ...more, xaxis: { ...axis, ...more.xaxis }, yaxis: { ...axis, ...more.yaxis } };
}

const axisOf = ({ title, log }) => ({ title: { text: plain(title), standoff: 10, font: { size: 14 } }, ...(log ? { type: "log", dtick: "D2", tickformat: "~r" } : { type: "linear" }) });

function markerOf({ name, style, numbers }, some) {
  const line = { width: 1, color: color("bg") };
  if (!numbers.length) return { size: 10, opacity: 0.85, line, symbol: SYMBOLS[style], color: color(isNaN(style) ? style : `s${style}`) };
  return { size: 10, line: { width: 1, color: color("muted") }, color: some.map(([, number]) => number), colorscale: "Cividis", colorbar: { title: { text: plain(name) }, outlinewidth: 0, thickness: 12 } };
}

function scatter() {
  const [x, y, key] = ["x", "y", "color"].map(id => by(id).value);
  const across = at => trials[at].measures[x] / axes[x].one, up = at => trials[at].measures[y] / axes[y].one;
  const shown = at => x in trials[at].measures && y in trials[at].measures;
  const points = (some, more) => ({ type: "scatter", x: some.map(across), y: some.map(up), customdata: some, hoverinfo: "skip", ...more });
  const front = x === y ? [] : [...(fronts[`${x} ${y}`] || fronts[`${y} ${x}`])].sort((a, b) => across(a) - across(b) || up(b) - up(a));
  const traces = [points(front, { name: "Pareto front", mode: "lines", line: { color: color("muted"), width: 2, dash: "dot", shape: "hv" } })];
  for (const group of groups[key]) {
    const some = group.places.map((at, index) => [at, group.numbers[index]]).filter(([at]) => shown(at)), places = some.map(([at]) => at);
    const hovertext = places.map(at => trials[at].lines.map(line => plain(short(line, 60))).join("<br>"));
    if (some.length) traces.push(points(places, { name: plain(group.name), mode: "markers", showlegend: !group.numbers.length, hoverinfo: "text", hovertext, marker: markerOf(group, some) }));
  }
  const marker = { symbol: "circle-open", size: 20, color: color("fg"), line: { width: 2 } };
  traces.push(points(chosen !== null && shown(chosen) ? [chosen] : [], { mode: "markers", showlegend: false, marker }));
  const legend = { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 12 } };
  Plotly.react(by("scatter"), traces, layout({ xaxis: axisOf(axes[x]), yaxis: axisOf(axes[y]), legend, hovermode: "closest", margin: { l: 64, r: 24, t: 24, b: 64 } }), CONFIG);
}

function barsOf(trial) {
  const bars = [...roots[trial.root].bars, ...trial.bars];
  let level = 0;
  const all = bars.map(([kind, label, size, about]) => {
    const total = kind === "total", from = total ? 0 : level;
    level = from + size;
    return { total, label, size, about, level, edge: Math.max(from, level), told: total ? bytes(size) : signed(size) };
  });
  return by("part").value === "all" ? all : all.slice(roots[trial.root].bars.length - 1);
}

function waterfall() {
  const bars = barsOf(trials[chosen]), wide = by("waterfall").clientWidth > 560, each = bars.map((_, at) => at);
  const most = Math.max(...bars.map(bar => bar.edge)), [unit, one] = [["GB", 1e9], ["MB", 1e6], ["kB", 1e3], ["B", 1]].find(([, one]) => most >= one || one === 1);
  const fall = {
    type: "waterfall", orientation: "h", measure: bars.map(bar => (bar.total ? "absolute" : "relative")), x: bars.map(bar => bar.size / one), y: each, hoverinfo: "text",
    hovertext: bars.map(bar => [bar.label, bar.told, bar.about].filter(Boolean).map(plain).join("<br>")), connector: { line: { color: color("muted"), width: 1 } },
    increasing: { marker: { color: color("grew") } }, decreasing: { marker: { color: color("shrank") } }, totals: { marker: { color: color("total") } },
  };
  const numbers = {
    type: "scatter", mode: "text", textfont: { size: 12, color: color("fg") }, x: bars.map(bar => bar.edge / one), y: each, text: bars.map(bar => ` ${bar.told}`), textposition: "middle right", hoverinfo: "skip", cliponaxis: false,
  };
  const labels = bars.map(bar => plain(squeezed(bar.label, wide ? 44 : 20)));
  const yaxis = { tickvals: each, ticktext: labels, range: [bars.length - 0.4, -0.6], showgrid: false, zeroline: false, ticks: "", tickfont: { size: wide ? 13 : 11 } };
  const xaxis = { title: { text: unit, standoff: 8, font: { size: 13 } }, range: [0, most / one * (wide ? 1.14 : 1.75)], nticks: wide ? 10 : 5 };
  by("waterfall").style.height = `${90 + 28 * bars.length}px`;
  Plotly.react(by("waterfall"), [fall, numbers], layout({ xaxis, yaxis, showlegend: false, margin: { l: 16, r: 16, t: 12, b: 56 } }), CONFIG);
  const number = (text, value) => make("td", { class: "number", title: `${value} bytes`, "data-value": value }, text);
  by("steps").tBodies[0].replaceChildren(...bars.map(bar => make("tr", {}, make("td", { class: "wrap" }, bar.label), number(bar.told, bar.size), number(bytes(bar.level), bar.level), make("td", {}, bar.about))));
}

// Files of a root are stretches of the list of all files: so many left out, so many taken, and so on.
function filesOf({ runs }) {
  let at = 0;
  const rows = runs.flatMap((count, index) => (index % 2 ? files.slice(at, at += count) : (at += count, [])));
  return rows.map(([path, size, owner]) => ({ path, size, package: owner }));
}

const map = by("tiles") && new Treemap(by("tiles"), { ...shared, tell: tellFiles });

function tiles() {
  const rows = filesOf(roots[trials[chosen].root]);
  map.show((picked("by") === "package" ? byPackage : byDirectory)(rows.length ? "all files" : "The results do not list the files of this trial.", rows));
}

function choose(at, scroll) {
  for (const row of all("#trials-table tbody tr")) {
    row.classList.toggle("chosen", Number(row.dataset.place) === at);
    if (scroll && row.matches(".chosen")) row.scrollIntoView({ block: "nearest" });
  }
  by("told").textContent = trials[at].lines.slice(0, 1 + trials[at].options).join(", ");
  const shows = trials[at].root in roots;
  if (shows) chosen = at;
  if (by("x")) scatter();
  if (!shows) return;
  for (const list of all("select.trial")) list.value = at;
  waterfall();
  tiles();
}

for (const id of ["x", "y", "color"]) by(id)?.addEventListener("change", scatter);
for (const list of all("select.trial")) list.addEventListener("change", () => choose(Number(list.value)));
for (const input of all("input[name=by]")) input.addEventListener("change", tiles);
for (const button of all("button.choose")) button.addEventListener("click", () => choose(Number(button.closest("tr").dataset.place)));
by("part")?.addEventListener("change", waterfall);
if (by("x")) {
  scatter();
  by("scatter").on("plotly_click", event => choose(event.points[0].customdata, true));
  onTheme.push(scatter);
}
if (chosen !== null) {
  choose(chosen);
  onTheme.push(waterfall);
}
