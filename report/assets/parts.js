// Parts that several sections use: colours and symbols of series, legends, and tables that are sorted.

/** Colour of the n-th series of a chart, counted from 0; the colours repeat after eight. */
const series = (index) => `var(--series-${(index % 8) + 1})`;

/** Symbol of the n-th series for Plot.dot, so that colour is never the only difference. */
const seriesSymbol = (index) => ["circle", "square", "triangle", "diamond", "star", "cross", "wye"][index % 7];

/** Dashes of the n-th series for lines, see `stroke-dasharray`. */
const seriesDash = (index) => [null, "6 3", "2 3", "8 3 2 3", "12 4", "4 2", "1 2"][index % 7];

/** Colour of a share from 0 to 1, from the paper's colour to the n-th series': for matrices. */
const shade = (share, index = 0) => `color-mix(in oklab, ${series(index)} ${(100 * share).toFixed(1)}%, var(--paper))`;

/**
 * Legend as a list: `legend([{name: "train", color: series(0), symbol: "circle"}, {name: "val", color: series(1),
 * dash: "6 3"}])`. An entry with `dash` (null for a solid line) shows a line, with `symbol` a symbol, otherwise a square.
 */
function legend(entries) {
  return element("ul", {class: "legend"}, ...entries.map(({name, ...look}) => element("li", {}, legendMark(look), name)));
}

/** Mark of an entry of a legend: line, symbol or both. */
function legendMark({color, symbol, dash, hollow = false}) {
  const mark = d3.create("svg").attr("viewBox", "-12 -7 24 14").attr("aria-hidden", "true");
  if (dash !== undefined) {
    mark.append("path").attr("d", "M-11,0H11").attr("stroke", color).attr("stroke-width", 2.5).attr("stroke-dasharray", dash);
  }
  if (dash === undefined || symbol) {
    const shape = d3[`symbol${(symbol ?? "square").replace(/^./, (letter) => letter.toUpperCase())}`];
    mark.append("path").attr("d", d3.symbol(shape, 70)()).attr("stroke", color).attr("stroke-width", 2).attr("fill", hollow ? "none" : color);
  }
  return mark.node();
}

/**
 * Make the columns of a table sortable: each `th[data-sort]` (`number` or `text`) of its head gets a button.
 *
 * Cells have their value in `data-value`, otherwise in their text; a missing value is empty or "-" and stays last. The
 * first click on a column of numbers sorts descending, and on one of texts ascending; `data-first` of the `th` changes
 * it. The headings are in a row that has all columns. Each `tbody` is sorted by itself. `sorted` is called with the heading and the direction.
 */
function sortable(table, sorted = () => {}) {
  for (const heading of table.tHead.querySelectorAll("th[data-sort]")) {
    const button = element("button", {type: "button", class: "sort", title: heading.title});
    button.append(...heading.childNodes);
    heading.removeAttribute("title");
    heading.append(button);
    button.addEventListener("click", () => sorted(button.textContent.trim(), sortBy(table, heading)));
  }
}

/** Sort a table by a column, in the other direction if it is sorted by it already; returns the direction. */
function sortBy(table, heading) {
  const first = heading.dataset.first ?? (heading.dataset.sort === "number" ? "descending" : "ascending");
  const before = heading.getAttribute("aria-sort");
  const direction = before === null ? first : before === "ascending" ? "descending" : "ascending";
  for (const other of table.tHead.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", direction);
  for (const body of table.tBodies) {
    const rows = [...body.rows].map((row) => ({row, value: sortValue(row.cells[heading.cellIndex], heading.dataset.sort)}));
    rows.sort((a, b) => compareValues(a.value, b.value, direction === "ascending" ? 1 : -1));
    body.append(...rows.map(({row}) => row));
  }
  return direction;
}

/** Value of a cell for sorting; null if it is missing. */
function sortValue(cell, kind) {
  const text = (cell?.dataset.value ?? cell?.textContent ?? "").trim();
  if (text === "" || text === "-") return null;
  if (kind !== "number") return text;
  const number = Number(text);
  return Number.isNaN(number) ? null : number;
}

const sortCollator = new Intl.Collator(undefined, {numeric: true, sensitivity: "base"});

/** Order of two values, `sign` 1 for ascending; missing values are last in both directions. */
function compareValues(a, b, sign) {
  if (a === null || b === null) return (a === null) - (b === null);
  return sign * (typeof a === "number" ? a - b : sortCollator.compare(a, b));
}
