// Section "One run": confusion matrix, normalised by row, and the largest confusions in words.

const RUN_CONFUSIONS = 10;

/** Confusion matrix of the result, or of the other one. */
function runConfusion(view) {
  const place = document.getElementById("run-confusion");
  const sides = [view, view.other].filter((side) => side?.scores?.confusion);
  if (!sides.length) {
    place.replaceChildren(runMissing(view.scores ? "The result file has no confusion matrix." : "Not scored yet."));
    return;
  }
  const body = element("div");
  const show = (side) => runFillConfusion(body, side);
  const parts = [body];
  if (sides[0] !== view) parts.unshift(runMissing(`${view.name}: ${view.scores ? "the result file has no confusion matrix" : "not scored yet"}.`));
  if (sides.length > 1) {
    const select = element("select", {id: "run-confusion-side"}, ...sides.map((side, number) => element("option", {value: number}, side.name)));
    select.addEventListener("change", () => show(sides[select.value]));
    parts.unshift(element("p", {class: "controls"}, element("label", {}, "Confusion of", select)));
  }
  show(sides[0]);
  place.replaceChildren(...parts);
}

/** Cells of a confusion matrix: names, share of the row from 0 to 1, count, and whether the classes are equal. */
function runConfusionCells({names, columns, counts}) {
  return counts.flatMap((row, line) => {
    const total = d3.sum(row);
    return row.map((count, column) => ({
      row: names[line], column: columns[column], count, total,
      share: total ? count / total : null, equal: names[line] === columns[column],
    }));
  });
}

/** Fill matrix, words and table. */
function runFillConfusion(body, side) {
  const {confusion} = side.scores;
  const cells = runConfusionCells(confusion);
  const container = element("div", {class: "chart"});
  runDrawConfusion(container, side, confusion, cells);
  const list = runLargestConfusions(confusion, cells);
  body.replaceChildren(
    element("div", {class: "matrix"},
      element("figure", {}, element("p", {class: "title"}, `${side.name}: true classes (rows) and predicted classes (columns), in percent of the ${confusion.unit} of each row`), container),
      element("div", {}, element("h4", {}, "Largest confusions"), list)),
    runDetails("Confusion matrix as a table", () => runConfusionTable(side, confusion)),
  );
}

/** Draw the matrix: right predictions in one colour, wrong ones in another, the stronger the larger the share. */
function runDrawConfusion(container, side, confusion, cells) {
  const {names, columns, unit} = confusion;
  const shown = cells.filter((cell) => cell.share !== null);
  const label = `Confusion matrix of ${side.name}, ${names.length} true and ${columns.length} predicted classes; a list and a table follow`;
  chart(container, label, (width) => {
    const marginLeft = Math.min(118, width / 3.5);
    const cell = Math.min(34, (width - marginLeft - 8) / columns.length);
    const strength = (of) => (of.share === 0 ? 0 : 0.06 + 0.94 * of.share ** 0.7);
    const short = (name) => (name.length > 17 ? `${name.slice(0, 16)}...` : name);
    return {
      width: marginLeft + cell * columns.length + 8, height: cell * names.length + 96, marginLeft, marginTop: 4, marginBottom: 92, marginRight: 8,
      style: {background: "transparent", fontSize: cell < 16 ? "9px" : "12px"},
      x: {domain: columns, label: null, tickRotate: -55, tickSize: 0, tickFormat: short},
      y: {domain: names, label: null, tickSize: 0, tickFormat: short},
      opacity: {type: "identity"},
      marks: [
        Plot.cell(shown, {x: "column", y: "row", inset: 0.5, fill: (of) => (of.equal ? "var(--series-1)" : "var(--series-2)"), fillOpacity: strength}),
        Plot.cell(shown, {x: "column", y: "row", inset: 0.5, fill: "none", stroke: "var(--line)", strokeWidth: 0.5}),
        ...(cell >= 21 ? [Plot.text(shown.filter((of) => of.share >= 0.005), {
          x: "column", y: "row", text: (of) => `${Math.round(100 * of.share)}`, fontSize: 11,
          fill: (of) => (strength(of) > 0.62 ? "var(--paper)" : "var(--ink)"),
        })] : []),
        Plot.tip(shown, Plot.pointer({
          x: "column", y: "row",
          lineHeight: 1.3,
          title: (of) => `true: ${of.row}\npredicted: ${of.column}\n${(100 * of.share).toFixed(2)} %\n${of.count.toLocaleString("en")} of ${of.total.toLocaleString("en")} ${unit}`,
        })),
      ],
      color: {type: "identity"},
    };
  });
}

/** The largest shares of wrong predictions, in words; rows that are not classes, for example background, are left out. */
function runLargestConfusions({unit, names, columns}, cells) {
  const wrong = cells.filter((cell) => !cell.equal && cell.share && columns.includes(cell.row));
  const largest = d3.sort(wrong, (cell) => -cell.share, (cell) => -cell.count).slice(0, RUN_CONFUSIONS);
  if (!largest.length) return element("p", {}, "There are none.");
  return element("ol", {}, ...largest.map((cell) => element(
    "li", {}, element("strong", {}, `${percent(cell.share)} %`), ` of the ${unit} of `, element("em", {}, cell.row),
    names.includes(cell.column) || cell.column.startsWith("no ") ? " are predicted as " : " are ", element("em", {}, cell.column),
    ` (${cell.count.toLocaleString("en")} of ${cell.total.toLocaleString("en")})`,
  )));
}

/** The matrix as a table, in percent of each row. */
function runConfusionTable(side, {names, columns, counts, unit}) {
  const rows = counts.map((row, line) => {
    const total = d3.sum(row);
    return [names[line], ...row.map((count) => (total ? percent(count / total) : "-")), total.toLocaleString("en")];
  });
  return runTable(`Confusion of ${side.name}: percent of the ${unit} of each true class (rows) by predicted class (columns)`, ["true \\ predicted", ...columns, unit], rows);
}
