// Section "One run": scores by class as bars and as a table.

/** Order of the classes: `classes` as in the benchmark, `score` with the best first, `difference` with the gains first. */
const runClassOrder = {value: "classes"};

/** Scores by class of the result, next to those of the other side. */
function runClasses(view) {
  const place = document.getElementById("run-classes");
  const {scores} = view;
  if (!scores || !scores.classes.length) {
    place.replaceChildren(runMissing(scores ? "The result file has no scores of classes." : "Not scored yet."));
    return;
  }
  const rows = runClassRows(view);
  const body = element("div");
  const select = runClassChooser(view, () => runFillClasses(body, view, rows));
  runFillClasses(body, view, rows);
  const whisker = scores.classes.some(([, , interval]) => interval)
    ? `Whiskers: 95 % of the bootstrap resamples over images, for ${scores.figures[0]}.`
    : "No intervals of classes: the result has no pixel counts of single images.";
  const comparable = rows.some((row) => row.others.some((value) => value !== null));
  const lacking = view.other && !comparable ? [runMissing(`${view.other.name}: no such scores of these classes${view.other.published ? " were published" : ""}.`)] : [];
  place.replaceChildren(select, ...lacking, runSidesKey(comparable ? view : {...view, other: null}), runMissing(whisker), body);
}

/** Class rows: name, and for each figure the value of both sides, with intervals. */
function runClassRows(view) {
  const {scores, other} = view;
  const theirs = new Map((other?.scores?.classes ?? []).map((row) => [row[0], row]));
  const places = scores.figures.map((figure) => other?.scores?.figures.indexOf(figure) ?? -1);
  return scores.classes.map(([name, values, interval], place) => ({
    name, place, values, interval,
    others: places.map((number) => (number < 0 ? null : theirs.get(name)?.[1][number] ?? null)),
    otherInterval: theirs.get(name)?.[2] ?? null,
  }));
}

/** Chooser of the order. */
function runClassChooser(view, changed) {
  const select = element("select", {id: "run-class-order"});
  const orders = {classes: "as in the benchmark", score: `by ${view.scores.figures[0]}, best first`};
  if (view.other?.scores?.classes.length) orders.difference = "by difference, gains first";
  for (const [value, text] of Object.entries(orders)) select.append(element("option", {value}, text));
  if (!(runClassOrder.value in orders)) runClassOrder.value = "classes";
  select.value = runClassOrder.value;
  select.addEventListener("change", () => { runClassOrder.value = select.value; changed(); });
  return element("p", {class: "controls"}, element("label", {}, "Order", select));
}

/** Rows in the chosen order; classes without a value come last. */
function runOrdered(rows) {
  const keys = {
    classes: (row) => row.place,
    score: (row) => (row.values[0] === null ? Infinity : -row.values[0]),
    difference: (row) => (row.values[0] === null || row.others[0] === null ? Infinity : row.others[0] - row.values[0]),
  };
  return d3.sort(rows, keys[runClassOrder.value], (row) => row.place);
}

/** Fill charts and table in the chosen order. */
function runFillClasses(body, view, rows) {
  const ordered = runOrdered(rows);
  const grid = element("div", {class: "classes"});
  view.scores.figures.forEach((figure, number) => {
    const shown = ordered.filter((row) => row.values[number] !== null || row.others[number] !== null);
    if (!shown.length) return;
    const container = element("div", {class: "chart"});
    runDrawClasses(container, view, figure, number, shown);
    grid.append(element("figure", {}, element("p", {class: "title"}, `${figure} (%)`), container));
  });
  const table = runDetails("Scores by class as a table", () => runClassTable(view, ordered));
  body.replaceChildren(grid, table);
}

/** Draw a figure of all classes as bars: the run above, the other side below, whiskers for intervals. */
function runDrawClasses(container, view, figure, number, rows) {
  const compared = rows.some((row) => row.others[number] !== null);
  const band = compared ? 26 : 20;
  const shift = compared ? band / 4 : 0;
  const intervals = (key) => (number === 0 ? rows.filter((row) => row[key]) : []);
  const text = (row) => [
    `${row.name}: ${figure}`,
    `${view.name}: ${percent(row.values[number])} %${number === 0 && row.interval ? ` (${runInterval(row.interval)})` : ""}`,
    ...(compared ? [
      `${view.other.name}: ${percent(row.others[number])} %${number === 0 && row.otherInterval ? ` (${runInterval(row.otherInterval)})` : ""}`,
      `difference: ${runPoints(row.values[number], row.others[number])} points`,
    ] : []),
  ].join("\n");
  const label = `${figure} of ${rows.length} classes of ${view.name}${compared ? ` and ${view.other.name}` : ""}; the values are in the table below`;
  const bar = (key, fill, insets) => Plot.barX(rows.filter((row) => row[key][number] !== null), {
    y: "name", x: (row) => 100 * row[key][number], fill, ...insets,
  });
  const whisker = (key, dy) => [
    Plot.ruleY(intervals(key), {y: "name", x1: (row) => 100 * row[key][0], x2: (row) => 100 * row[key][1], dy, stroke: "currentColor", strokeWidth: 1.4}),
    ...[0, 1].map((end) => Plot.tickX(intervals(key), {
      y: "name", x: (row) => 100 * row[key][end], stroke: "currentColor", strokeWidth: 1.4, dy,
      insetTop: compared ? band / 2 - 5 : 5, insetBottom: compared ? band / 2 - 5 : 5,
    })),
  ];
  chart(container, label, (width) => ({
    height: rows.length * band + 46, marginLeft: Math.min(130, width / 3), marginTop: 6, marginBottom: 36, width,
    x: {domain: [0, 100], label: `${figure} (%)`, grid: true},
    y: {domain: rows.map((row) => row.name), label: null, tickSize: 0, tickFormat: (name) => (name.length > 19 ? `${name.slice(0, 18)}...` : name)},
    marks: [
      bar("values", "var(--series-1)", compared ? {insetTop: 1, insetBottom: band / 2} : {inset: 1}),
      ...(compared ? [bar("others", "var(--series-2)", {insetTop: band / 2, insetBottom: 1})] : []),
      ...whisker("interval", -shift),
      ...(compared ? whisker("otherInterval", shift) : []),
      Plot.ruleX([0]),
      Plot.tip(rows, Plot.pointerY({y: "name", x: (row) => 100 * (row.values[number] ?? row.others[number]), title: text, lineHeight: 1.3})),
    ],
  }));
}

/** Table of all figures by class. */
function runClassTable(view, rows) {
  const {scores, other} = view;
  const compared = Boolean(other?.scores?.classes.length);
  const withIntervals = rows.some((row) => row.interval);
  const headings = scores.figures.flatMap((figure, number) => [
    `${figure}, ${view.name}`,
    ...(number === 0 && withIntervals ? ["95 % interval"] : []),
    ...(compared && rows.some((row) => row.others[number] !== null) ? [`${figure}, ${other.name}`, "difference"] : []),
  ]);
  const cells = (row) => scores.figures.flatMap((figure, number) => [
    percent(row.values[number]),
    ...(number === 0 && withIntervals ? [runInterval(row.interval)] : []),
    ...(compared && rows.some((one) => one.others[number] !== null)
      ? [percent(row.others[number]), runPoints(row.values[number], row.others[number])] : []),
  ]);
  return runTable("Scores by class in percent; differences in percentage points", ["class", ...headings], rows.map((row) => [row.name, ...cells(row)]));
}
