// The treemap of an image's files, or of what differs between those of two: rows are [path, size, package, change].
"use strict";

const rows = DATA.files.map(([path, size, owner, change]) => ({ path, size, package: owner, change, whole: Math.max(size, size - change) }));
const compared = DATA.kind === "difference";

function tellChange(node, whole) {
  const change = node.change ? `, ${signed(node.change)}` : "";
  return picked("size") === "change" ? `${node.row ? node.row.path : node.name}: ${signed(node.change)}` : tellFiles(node, whole) + change;
}

// Darker where more than half of what there was or is came or went.
function lookChange(node) {
  if (!node.change) return "same";
  return `${node.change > 0 ? "g" : "d"}${Math.abs(node.change) > node.whole / 2 ? 2 : 1}`;
}

const map = new Treemap(by("tiles"), compared
  ? { look: lookChange, tell: tellChange, brief: node => (picked("size") === "change" ? signed(node.change) : shared.brief(node)) }
  : { ...shared, tell: tellFiles });

function draw() {
  const some = picked("size") === "change" ? rows.filter(row => row.change).map(row => ({ ...row, size: Math.abs(row.change) })) : rows;
  map.show((picked("by") === "package" ? byPackage : byDirectory)("all files", some));
}

for (const input of all("input[name=by], input[name=size]")) input.addEventListener("change", draw);
draw();
