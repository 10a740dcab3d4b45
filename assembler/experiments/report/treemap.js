// Where the bytes are: tiles as large as what they stand for, level by level, by mouse and by keyboard.
// Laid out as Bruls, Huizing and van Wijk, "Squarified Treemaps" (2000), do.
"use strict";

const SMALL = 1100; // square pixels of a tile that can still be hit and read
const HEAD = 38; // pixels of a tile's two lines
const SUMS = ["size", "change", "whole", "files"];
const sum = (nodes, key) => nodes.reduce((value, node) => value + node[key], 0);

function squarify(items, x, y, width, height) {
  const placed = [];
  let rest = sum(items, "size");
  for (let at = 0; at < items.length && width > 0 && height > 0;) {
    const short = Math.min(width, height), scale = width * height / rest;
    let end = at, size = 0, worst = Infinity;
    while (end < items.length) {
      const next = ((size + items[end].size) * scale) ** 2, side = short ** 2 * scale;
      const ratio = Math.max(side * items[at].size / next, next / (side * items[end].size));
      if (ratio > worst) break;
      worst = ratio;
      size += items[end++].size;
    }
    const thick = size * scale / short;
    for (let offset = 0; at < end; at++) {
      const length = items[at].size * scale / thick;
      placed.push(width >= height ? [items[at], x, y + offset, thick, length] : [items[at], x + offset, y, length, thick]);
      offset += length;
    }
    if (width >= height) { x += thick; width -= thick; } else { y += thick; height -= thick; }
    rest -= size;
  }
  return placed;
}

// Nodes of rows: each row has `parts` (names from the top), `size` (what counts for the area) and what its page adds.
// `named`: how many levels from the top keep their names to themselves.
function grow(name, rows, named = 1) {
  const node = name => ({ name, size: 0, change: 0, whole: 0, files: 0, inner: new Map() }), top = node(name);
  for (const row of rows) {
    const way = [top];
    row.parts.forEach((part, depth) => {
      const inner = way[depth].inner, key = depth === row.parts.length - 1 ? `${part}\0` : part; // a file may be called as a package is
      if (!inner.has(key)) inner.set(key, node(part));
      way.push(inner.get(key));
    });
    for (const one of way) for (const key of SUMS) one[key] += key === "files" ? 1 : row[key] || 0;
    way.pop().row = row;
  }
  return settle(top, named);
}

// What holds one directory alone is one with it.
function settle(node, named) {
  let children = [...node.inner.values()];
  while (children.length === 1 && !children[0].row) {
    if (named < 1) node.name += `/${children[0].name}`;
    children = [...children[0].inner.values()];
  }
  node.children = children.filter(child => child.size > 0).map(child => settle(child, named - 1));
  node.children.sort((a, b) => b.size - a.size || (a.name < b.name ? -1 : 1));
  return node;
}

// What is too small for a tile is one tile together.
function merged(children, area) {
  const total = sum(children, "size"), low = children.filter(child => child.size / total * area < SMALL);
  const small = low.length < children.length ? low : children.slice(Math.max(1, Math.floor(area / SMALL) - 1)); // each look must show some
  if (small.length < 2) return children;
  const rest = { name: `${small.length} more`, children: small, rest: true, ...Object.fromEntries(SUMS.map(key => [key, sum(small, key)])) };
  return [...children.filter(child => !small.includes(child)), rest].sort((a, b) => b.size - a.size);
}

class Treemap {
  // `look(node, place, share)` gives the class of a tile in one that has this share of the whole; `tell(node, whole)`
  // says all about it; `brief(node)` is its second line.
  constructor(host, { look, tell, brief }) {
    Object.assign(this, { look, tell, brief, way: [], nodes: new Map() });
    [this.tiles, this.crumbs, this.status] = [".treemap", ".crumbs ol", ".status"].map(part => host.querySelector(part));
    this.tiles.addEventListener("click", event => this.enter(this.nodes.get(event.target.closest("button"))));
    this.tiles.addEventListener("keydown", event => this.key(event));
    for (const kind of ["focusin", "mouseover"]) {
      this.tiles.addEventListener(kind, event => this.say(this.nodes.get(event.target.closest("button"))));
    }
    new ResizeObserver(() => { if (this.way.length && this.tiles.clientWidth !== this.width) this.draw(); }).observe(this.tiles);
  }

  get at() { return this.way[this.way.length - 1]; }

  show(top) { this.way = [top]; this.draw(); }

  say(node) { this.status.textContent = node ? this.tell(node, this.at) : this.tell(this.at, null); }

  enter(node) {
    if (!node?.children.length) return;
    this.way.push(node);
    this.draw();
    this.focus(this.tiles.firstElementChild);
  }

  leave(depth) {
    if (depth < 1 || depth >= this.way.length) return;
    const left = this.way[depth];
    this.way.length = depth;
    this.draw();
    const tile = [...this.nodes].find(([, node]) => node === left || (node.rest && left.rest));
    this.focus(tile ? tile[0] : this.tiles.firstElementChild);
  }

  focus(tile) {
    if (!tile) return;
    for (const other of this.tiles.children) other.tabIndex = other === tile ? 0 : -1;
    tile.focus();
  }

  key(event) {
    if (event.key === "Escape" || event.key === "Backspace") this.leave(this.way.length - 1);
    else if (event.key.startsWith("Arrow")) this.focus(this.beside(event.target.closest("button"), event.key.slice(5)));
    else if (event.key === "Home") this.focus(this.tiles.firstElementChild);
    else if (event.key === "End") this.focus(this.tiles.lastElementChild);
    else return;
    event.preventDefault();
  }

  // The nearest tile in a direction, from the middle of the side: those that begin beyond that side.
  beside(tile, way) {
    const { left, right, top, bottom } = tile.getBoundingClientRect(), sideways = way === "Left" || way === "Right";
    const far = spot => {
      const gap = { Left: left - spot.right, Right: spot.left - right, Up: top - spot.bottom, Down: spot.top - bottom }[way];
      const [middle, from, to] = sideways ? [(top + bottom) / 2, spot.top, spot.bottom] : [(left + right) / 2, spot.left, spot.right];
      return gap < -2 ? Infinity : gap + 4 * Math.max(0, from - middle, middle - to);
    };
    const near = [...this.tiles.children].map(other => [other, far(other.getBoundingClientRect())]).filter(([other, distance]) => other !== tile && distance < Infinity);
    return near.sort(([, a], [, b]) => a - b)[0]?.[0];
  }

  draw() {
    this.width = this.tiles.clientWidth;
    const height = Math.round(Math.min(Math.max(this.width * 0.52, 360), 560));
    this.tiles.style.height = `${height}px`;
    this.nodes.clear();
    const placed = squarify(merged(this.at.children, this.width * height), 0, 0, this.width, height);
    this.tiles.replaceChildren(...placed.map((place, index) => this.tile(place, index)));
    this.crumbs.replaceChildren(...this.way.map((node, depth) => this.crumb(node, depth)));
    this.say(null);
  }

  tile([node, x, y, width, height], index) {
    const leaf = node.children.length ? "" : "leaf";
    const button = make("button", { type: "button", class: `${this.look(node, index)} ${leaf}`, tabindex: index ? -1 : 0, "aria-label": this.tell(node, this.at) });
    Object.assign(button.style, { left: `${x}px`, top: `${y}px`, width: `${width}px`, height: `${height}px` });
    if (width > 34 && height > 20) button.append(make("b", {}, node.name));
    if (width > 60 && height > HEAD) button.append(make("i", {}, this.brief(node)));
    if (width > 70 && height > HEAD + 24) button.append(...this.inside(node, width - 8, height - HEAD - 4, HEAD));
    this.nodes.set(button, node);
    return button;
  }

  // What is in a tile, as far as there is room: not to be chosen itself, but told of where a pointer rests.
  inside(node, width, height, top, deep = 0) {
    const share = node.size / this.at.size;
    return squarify(node.children, 4, top, width, height).filter(([, , , wide, high]) => wide > 6 && high > 6).slice(0, 90).map(([child, x, y, wide, high], index) => {
      const look = this.look(child, index + 2 * deep, share);
      const inner = make("span", { class: `inner ${look}`, title: this.tell(child, this.at) }, wide > 30 && high > 15 ? child.name : "");
      Object.assign(inner.style, { left: `${x}px`, top: `${y}px`, width: `${wide - 1}px`, height: `${high - 1}px` });
      if (deep < 3 && wide > 56 && high > 48) inner.append(...this.inside(child, wide - 9, high - 22, 18, deep + 1));
      return inner;
    });
  }

  crumb(node, depth) {
    const button = make("button", { type: "button", ...(node === this.at ? { "aria-current": "location" } : {}) }, node.name);
    button.addEventListener("click", () => this.leave(depth + 1));
    return make("li", {}, button);
  }
}

// The two ways to look at files: rows are `{path, size, package, …}`. What has most of the bytes passes no colour on:
// what is in it has colours of its own. Three digits are enough for a tile.
const digits = text => text.replace(/^\d+\.\d+/, number => (number.length > 4 ? String(Number(Number(number).toPrecision(3))) : number));
const shared = { look: (node, index, share = 1) => (share > 0.5 ? `c${index % 8}` : ""), brief: node => digits(bytes(node.size)) };

function tellFiles(node, whole) {
  if (!node.files) return node.name;
  const share = whole ? `, ${(100 * node.size / whole.size).toFixed(1)} % of ${whole.name}` : "";
  const count = node.row ? "" : `, ${node.files.toLocaleString("en-US")} ${node.files === 1 ? "file" : "files"}`;
  return `${node.row ? node.row.path : node.name}: ${bytes(node.size)}${share}${count}`;
}

const split = file => file.path.slice(1).split("/");
const byDirectory = (name, files) => grow(name, files.map(file => ({ ...file, parts: split(file) })));
const byPackage = (name, files) => grow(name, files.map(file => ({ ...file, parts: [file.package || "no package", ...split(file)] })), 2);
