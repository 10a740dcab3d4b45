// What all pages have: reading their data, numbers, tables that sort and filter, copying, printing.
// Whatever comes from a record goes into the page by textContent, never as markup.
"use strict";

const by = id => document.getElementById(id);
const DATA = JSON.parse(by("data").textContent);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const picked = name => document.querySelector(`input[name=${name}]:checked`)?.value;
const color = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

document.documentElement.classList.add("js");

function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// The same words as `assembler.base.units.format_size`.
function bytes(size) {
  if (Math.abs(size) < 1000) return `${size} B`;
  let value = size;
  for (const unit of ["kB", "MB", "GB", "TB"]) {
    value /= 1000;
    if (Math.abs(value) < 999.995 || unit === "TB") return `${value.toFixed(2)} ${unit}`;
  }
}

const signed = size => (size > 0 ? "+" : size < 0 ? "−" : "±") + bytes(Math.abs(size));

function sortTable(table, header) {
  const column = header.cellIndex, number = header.classList.contains("number"), up = header.ariaSort !== "ascending";
  all("th[aria-sort]", table).forEach(other => other.setAttribute("aria-sort", "none"));
  header.setAttribute("aria-sort", up ? "ascending" : "descending");
  const value = ({ dataset, textContent }) => (number ? (dataset.value ? Number(dataset.value) : null) : textContent || null);
  const keyed = [...table.tBodies[0].rows].map(row => [row, value(row.cells[column])]);
  // What has no value comes last, whichever way.
  keyed.sort(([, a], [, b]) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return (number ? a - b : a.localeCompare(b, "en", { numeric: true })) * (up ? 1 : -1);
  });
  table.tBodies[0].append(...keyed.map(([row]) => row));
}

for (const header of all("table.sortable th[aria-sort]")) {
  header.querySelector("button").addEventListener("click", () => sortTable(header.closest("table"), header));
}

for (const form of all("form.filter")) {
  const rows = [...by(form.dataset.table).tBodies[0].rows];
  const texts = rows.map(row => [row.textContent, ...all("[title]", row).map(cell => cell.title)].join(" ").toLowerCase());
  const filter = () => {
    const words = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean), outcome = form.elements.outcome.value;
    rows.forEach((row, at) => { row.hidden = Boolean(outcome && row.dataset.outcome !== outcome) || !words.every(word => texts[at].includes(word)); });
    form.querySelector("output").textContent = `${rows.filter(row => !row.hidden).length} of ${rows.length}`;
  };
  form.addEventListener("input", filter);
  form.addEventListener("submit", event => event.preventDefault());
  filter();
}

document.addEventListener("click", async event => {
  const button = event.target.closest("button.copy");
  if (!button) return;
  const code = button.parentElement.querySelector("pre");
  const written = navigator.clipboard ? navigator.clipboard.writeText(code.textContent) : Promise.reject();
  const done = await written.then(() => true, () => {
    getSelection().selectAllChildren(code);
    return document.execCommand("copy");
  });
  button.textContent = done ? "Copied" : "Press Ctrl+C";
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
});

// On paper all is open, and in light colours.
const onTheme = [], retheme = () => onTheme.forEach(draw => draw());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", retheme);
addEventListener("beforeprint", () => {
  for (const closed of all("details:not([open])")) { closed.open = true; closed.dataset.closed = ""; }
  document.documentElement.classList.add("printing");
  retheme();
});
addEventListener("afterprint", () => {
  for (const closed of all("details[data-closed]")) { closed.open = false; delete closed.dataset.closed; }
  document.documentElement.classList.remove("printing");
  retheme();
});
