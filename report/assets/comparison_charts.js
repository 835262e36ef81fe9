// Charts of intervals: of the differences by class, and of all results of a benchmark and split.

/** Draw the difference of each class with its interval. */
function comparisonClassChart({classes, figure, a, b}) {
  const rows = classes.filter(({difference}) => difference !== null);
  const looks = {
    "B better": {fill: series(0), symbol: "triangle"},
    "A better": {fill: series(1), symbol: "square"},
    "may be chance": {fill: "var(--paper)", symbol: "circle"},
    "no interval": {fill: "var(--quiet)", symbol: "cross"},
  };
  const stateOf = ({certain, difference}) =>
    certain === null ? "no interval" : !certain ? "may be chance" : difference > 0 ? "B better" : "A better";
  const states = Object.keys(looks).filter((state) => rows.some((row) => stateOf(row) === state));
  document.getElementById("comparison-chart-caption").replaceChildren(
    legend(states.map((name) => ({name, color: name === "may be chance" ? "var(--quiet)" : looks[name].fill, symbol: looks[name].symbol, hollow: name === "may be chance"}))),
    `${figure} of B (${b.key}) minus A (${a.key}) in points, by class.`,
  );
  const label = `Differences of ${figure} by class: ` + rows.map((row) => `${row.name} ${comparisonPoints(row.difference)}, ${stateOf(row)}`).join("; ");
  chart(document.getElementById("comparison-chart"), label, (width) => rows.length === 0 ? null : {
    height: 64 + 22 * rows.length,
    marginBottom: 44,
    marginLeft: 16 + comparisonMargin(rows.map(({name}) => name), width),
    x: {label: "B − A in points →", grid: true, nice: true},
    y: {label: null, domain: rows.map(({name}) => name), tickFormat: (name) => comparisonCut(name, width)},
    marks: [
      Plot.ruleX([0], {stroke: "var(--quiet)"}),
      Plot.ruleY(rows.filter(({interval}) => interval), {y: "name", x1: (row) => 100 * row.interval[0], x2: (row) => 100 * row.interval[1], stroke: "var(--quiet)", strokeWidth: 1.5}),
      states.map((state) => Plot.dot(rows.filter((row) => stateOf(row) === state), {
        y: "name", x: (row) => 100 * row.difference, r: 4.5, ...looks[state], stroke: state === "may be chance" ? "var(--quiet)" : looks[state].fill, strokeWidth: 1.5,
      })),
      Plot.tip(rows, Plot.pointerY({
        y: "name", x: (row) => 100 * row.difference,
        title: (row) => `${row.name}\nA ${percent(row.a)}, B ${percent(row.b)}\nB − A ${comparisonPoints(row.difference)}` +
          (row.interval ? `\n${comparisonInterval(row.interval)}\n${stateOf(row)}` : ""),
      })),
    ],
  });
}

/** Draw the main average of all results of a group with their intervals, the best on top. */
function comparisonGroupChart(container) {
  const group = DATA.comparison.groups[Number(container.dataset.group)];
  const {average} = DATA.comparison.kinds[group.kind];
  const rows = group.results
    .map((index) => DATA.comparison.results[index])
    .map(({key, averages, interval}) => ({key, score: averages[average] ?? null, interval}))
    .filter(({score}) => score !== null);
  const label = `${average} of ${group.name}: ` + rows.map(({key, score}) => `${key} ${percent(score)}`).join("; ");
  chart(container, label, (width) => rows.length === 0 ? null : {
    height: 64 + 24 * rows.length,
    marginBottom: 44,
    marginLeft: 16 + comparisonMargin(rows.map(({key}) => key), width),
    x: {label: `${average} in percent →`, grid: true, nice: true},
    y: {label: null, domain: rows.map(({key}) => key), tickFormat: (key) => comparisonCut(key, width)},
    marks: [
      Plot.ruleY(rows.filter(({interval}) => interval), {y: "key", x1: (row) => 100 * row.interval[0], x2: (row) => 100 * row.interval[1], stroke: series(0), strokeWidth: 2}),
      Plot.dot(rows, {y: "key", x: (row) => 100 * row.score, r: 5, fill: series(0)}),
      Plot.tip(rows, Plot.pointerY({
        y: "key", x: (row) => 100 * row.score,
        title: ({key, score, interval}) => `${key}\n${average} ${percent(score)}` + (interval ? `\n${percent(interval[0])} to ${percent(interval[1])}` : "\nno interval recorded"),
      })),
    ],
  });
}

/** A label of an axis, without its middle if it is too long for the width of the chart. */
function comparisonCut(name, width) {
  const longest = width < 500 ? 18 : 30;
  return name.length <= longest ? name : `${name.slice(0, Math.ceil(longest / 2))}…${name.slice(1 - Math.floor(longest / 2))}`;
}

/** Width of the longest label in pixels, roughly. */
const comparisonMargin = (names, width) => 7 * Math.max(...names.map((name) => comparisonCut(name, width).length));
