// Section "One run": confusion matrix, normalised by row, its difference to another one, and the largest confusions in words.

const RUN_CONFUSIONS = 10;

/** Confusion matrix of the result, of the other one, or their difference. */
function runConfusion(view) {
  const place = document.getElementById("run-confusion");
  const sides = [view, view.other].filter((side) => side?.scores?.confusion);
  if (!sides.length) {
    place.replaceChildren(runMissing(view.scores ? "The result file has no confusion matrix." : "Not scored yet."));
    return;
  }
  const shown = sides.map((side) => [side.name, () => runOneConfusion(side)]);
  if (sides.length > 1) shown.push([`difference: ${view.name} - ${view.other.name}`, () => runConfusionDifference(...sides)]);
  const body = element("div");
  const parts = [body];
  if (sides[0] !== view) parts.unshift(runMissing(`${view.name}: ${view.scores ? "the result file has no confusion matrix" : "not scored yet"}.`));
  if (shown.length > 1) {
    const select = element("select", {id: "run-confusion-side"}, ...shown.map(([name], number) => element("option", {value: number}, name)));
    select.addEventListener("change", () => runFillConfusion(body, shown[select.value][1]()));
    parts.unshift(element("p", {class: "controls"}, element("label", {}, "Confusion of", select)));
  }
  runFillConfusion(body, shown[0][1]());
  place.replaceChildren(...parts);
}

/** Fill picture, words and table of a matrix, see `runOneConfusion`. */
function runFillConfusion(body, matrix) {
  const container = element("div", {class: "chart"});
  runDrawConfusion(container, matrix);
  body.replaceChildren(
    element("div", {class: "matrix"},
      element("figure", {}, element("p", {class: "title"}, matrix.title), container),
      element("div", {}, element("h4", {}, matrix.heading), matrix.lines.length ? element("ol", {}, ...matrix.lines) : element("p", {}, "There are none."))),
    runDetails("Confusion matrix as a table", matrix.table),
  );
}

/**
 * The matrix of a side: `names` and `columns`, `cells` with their `value` from -1 to 1, whether it is `good`, their
 * `text` and their `tip`, and `lines` in words below a `heading`.
 */
function runOneConfusion(side) {
  const {confusion} = side.scores;
  const {names, columns, unit} = confusion;
  const cells = runShares(confusion).map((cell) => ({
    ...cell, value: cell.share, good: cell.equal, text: `${Math.round(100 * cell.share)}`,
    tip: [
      `true: ${cell.row}`, `predicted: ${cell.column}`, `${(100 * cell.share).toFixed(2)} %`,
      `${cell.count.toLocaleString("en")} of ${cell.total.toLocaleString("en")} ${unit}`,
    ].join("\n"),
  }));
  return {
    names, columns, cells, heading: "Largest confusions",
    title: `${side.name}: true classes (rows) and predicted classes (columns), in percent of the ${unit} of each row`,
    label: `Confusion matrix of ${side.name}, ${names.length} true and ${columns.length} predicted classes; a list and a table follow`,
    lines: runLargestConfusions(confusion, cells),
    table: () => runConfusionTable(side, confusion),
  };
}

/** Cells of a confusion matrix: names, share of the row from 0 to 1, count, and whether the classes are equal. */
function runShares({names, columns, counts}) {
  return counts.flatMap((row, line) => {
    const total = d3.sum(row);
    const cell = (count, column) => ({
      row: names[line], column: columns[column], count, total, share: count / total, equal: names[line] === columns[column],
    });
    return total ? row.map(cell) : [];
  });
}

/** The shares of a side minus those of the other one, for classes that both have. */
function runConfusionDifference(first, second) {
  const key = (cell) => JSON.stringify([cell.row, cell.column]);
  const others = new Map(runShares(second.scores.confusion).map((cell) => [key(cell), cell.share]));
  const cells = runShares(first.scores.confusion).filter((cell) => others.has(key(cell))).map((cell) => {
    const before = others.get(key(cell));
    const value = cell.share - before;
    return {
      ...cell, value, before, good: (value > 0) === cell.equal, text: d3.format("+.0f")(100 * value).replace("\u2212", "-"),
      tip: [
        `true: ${cell.row}`, `predicted: ${cell.column}`, `${first.name}: ${percent(cell.share)} %`, `${second.name}: ${percent(before)} %`,
        `difference: ${runPoints(cell.share, before)} points`,
      ].join("\n"),
    };
  });
  const [names, columns] = [[...new Set(cells.map(({row}) => row))], [...new Set(cells.map(({column}) => column))]];
  const at = new Map(cells.map((cell) => [key(cell), cell]));
  const points = (row, column) => runPoints(at.get(key({row, column}))?.share, at.get(key({row, column}))?.before);
  const name = `${first.name} minus ${second.name}`;
  return {
    names, columns, cells, heading: "Largest differences",
    title: `${name}, in percentage points of each row: + on the diagonal and - elsewhere are better, and have the colour of the diagonal`,
    label: `Difference of the confusion matrices, ${name}; a list and a table follow`,
    lines: d3.sort(cells.filter(({value}) => value), ({value}) => -Math.abs(value)).slice(0, RUN_CONFUSIONS).map((cell) => element(
      "li", {}, element("strong", {}, `${runPoints(cell.share, cell.before)} points`), ": ", element("em", {}, cell.row),
      ...(cell.equal ? [" recognised"] : [" predicted as ", element("em", {}, cell.column)]),
      ` (${percent(cell.share)} % and ${percent(cell.before)} %)`,
    )),
    table: () => runTable(`${name}, in percentage points`, ["true \\ predicted", ...columns], names.map((row) => [row, ...columns.map((column) => points(row, column))])),
  };
}

/** Draw a matrix: good cells in one colour, bad ones in another, the stronger the larger their value. */
function runDrawConfusion(container, {names, columns, cells, label}) {
  const short = (name) => (name.length > 17 ? `${name.slice(0, 16)}...` : name);
  const largest = Math.max(0.1, d3.max(cells, ({value}) => Math.abs(value)) ?? 1);
  const strength = ({value}) => (value === 0 ? 0 : 0.06 + 0.94 * (Math.abs(value) / largest) ** 0.7);
  const isSigned = cells.some(({before}) => before !== undefined);
  chart(container, label, (width) => {
    const marginLeft = Math.min(118, width / 3.5);
    const side = Math.min(34, (width - marginLeft - 8) / columns.length);
    return {
      width: marginLeft + side * columns.length + 8, height: side * names.length + 96, marginLeft, marginTop: 4, marginBottom: 92, marginRight: 8,
      style: {fontSize: side < 16 ? "9px" : "12px"},
      x: {domain: columns, label: null, tickRotate: -55, tickSize: 0, tickFormat: short},
      y: {domain: names, label: null, tickSize: 0, tickFormat: short},
      opacity: {type: "identity"}, color: {type: "identity"},
      marks: [
        Plot.cell(cells, {x: "column", y: "row", inset: 0.5, fill: ({good}) => series(good ? 0 : 1), fillOpacity: strength}),
        Plot.cell(cells, {x: "column", y: "row", inset: 0.5, fill: "none", stroke: "var(--line)", strokeWidth: 0.5}),
        ...(side >= (isSigned ? 25 : 21) ? [Plot.text(cells.filter(({value}) => Math.abs(value) >= 0.005), {
          x: "column", y: "row", text: "text", fontSize: 11, fill: (cell) => (strength(cell) > 0.62 ? "var(--paper)" : "var(--ink)"),
        })] : []),
        Plot.tip(cells, Plot.pointer({x: "column", y: "row", lineHeight: 1.3, title: "tip"})),
      ],
    };
  });
}

/** The largest shares of wrong predictions, in words; rows that are not classes, for example background, are left out. */
function runLargestConfusions({unit, names, columns}, cells) {
  const wrong = cells.filter((cell) => !cell.equal && cell.share && columns.includes(cell.row));
  const largest = d3.sort(wrong, (cell) => -cell.share, (cell) => -cell.count).slice(0, RUN_CONFUSIONS);
  return largest.map((cell) => element(
    "li", {}, element("strong", {}, `${percent(cell.share)} %`), ` of the ${unit} of `, element("em", {}, cell.row),
    names.includes(cell.column) || cell.column.startsWith("no ") ? " are predicted as " : " are ", element("em", {}, cell.column),
    ` (${cell.count.toLocaleString("en")} of ${cell.total.toLocaleString("en")})`,
  ));
}

/** The matrix as a table, in percent of each row. */
function runConfusionTable(side, {names, columns, counts, unit}) {
  const rows = counts.map((row, line) => {
    const total = d3.sum(row);
    return [names[line], ...row.map((count) => (total ? percent(count / total) : "-")), total.toLocaleString("en")];
  });
  return runTable(`Confusion of ${side.name}: percent of the ${unit} of each true class (rows) by predicted class (columns)`, ["true \\ predicted", ...columns, unit], rows);
}
