// Section: overview, chart of accuracy and latency. It shows the scores of one benchmark and split, and the latencies
// of one device and image size: others cannot be compared.

const OVERVIEW_SYMBOLS = ["circle", "square", "triangle", "star", "cross", "wye"];

/** Texts of the accuracy of a point, and of the condition of its latency. */
const overviewAccuracy = (point) => [point.benchmark || "unknown data set", point.split, point.task === "pixel" ? "" : point.task, point.average].filter(Boolean).join(", ");
const overviewCondition = (point) => `${point.device || "unknown device"}, ${point.published ? "as published" : point.size}`;

/** Fill the choosers of the chart. */
function overviewPlotSetUp() {
  const controls = document.getElementById("overview-plot-controls");
  if (!controls) return;
  controls.addEventListener("submit", (event) => event.preventDefault());
  overviewOptions("overview-accuracy", overviewCounts(DATA.overview.points, overviewAccuracy));
  document.getElementById("overview-accuracy").addEventListener("change", () => {
    overviewConditions();
    overviewPlotUpdate();
  });
  document.getElementById("overview-condition").addEventListener("change", overviewPlotUpdate);
  controls.hidden = false;
  overviewConditions();
  overviewPlotUpdate();
  chosen.follow(overviewPlotUpdate);
  document.getElementById("overview-plot").addEventListener("click", ({currentTarget}) => {
    const point = currentTarget.querySelector("svg")?.value; // the point whose tip is shown
    if (point && !point.published) location.hash = `#run=${encodeURIComponent(point.run)}`;
  });
}

/** Text -> number of points, the most frequent first; points with a latency count before those without. */
function overviewCounts(points, text) {
  const weights = d3.rollup(points, (of) => d3.sum(of, (point) => (point.latency === null ? 0.001 : 1)), text);
  return d3.sort(weights, ([, weight]) => -weight).map(([name]) => name);
}

/** Replace the options of a chooser; one that has no choice stays, because it says what the chart shows. */
function overviewOptions(id, texts) {
  document.getElementById(id).replaceChildren(...texts.map((text) => element("option", {}, text)));
}

/** Published results as points, of the benchmark and split of a point. */
function overviewPublished({benchmark, split, task}) {
  if (task !== "pixel" && task !== "road") return [];
  const same = DATA.overview.published.filter((result) => result.benchmark === benchmark && result.split === split);
  return same.map((result) => ({...result, run: result.name, published: true}));
}

/** The points of the chosen accuracy: those of runs, then published ones. */
function overviewPoints() {
  const accuracy = document.getElementById("overview-accuracy").value;
  const ours = DATA.overview.points.filter((point) => overviewAccuracy(point) === accuracy);
  return ours.length ? [...ours, ...overviewPublished(ours[0])] : [];
}

/** Offer the conditions that latencies of the chosen accuracy were measured in; the runs' first. */
function overviewConditions() {
  const measured = overviewPoints().filter((point) => point.latency !== null);
  const ours = overviewCounts(measured.filter((point) => !point.published), overviewCondition);
  const theirs = overviewCounts(measured.filter((point) => point.published), overviewCondition);
  overviewOptions("overview-condition", [...ours, ...theirs]);
  document.getElementById("overview-condition").parentElement.hidden = measured.length === 0;
}

/** Draw the chart of the chosen values, and say below it what it leaves out. */
function overviewPlotUpdate() {
  const container = document.getElementById("overview-plot");
  if (!container || document.getElementById("overview-plot-controls").hidden) return;
  const condition = document.getElementById("overview-condition").value;
  const points = overviewPoints().filter((point) => point.published || overviewShown.has(point.run));
  const placed = points.filter((point) => point.latency !== null && overviewCondition(point) === condition);
  const comparable = points.some((point) => !point.published && point.official !== false);
  const levels = comparable ? points.filter((point) => point.published && !placed.includes(point)) : [];
  const networks = [...new Set(DATA.overview.points.map((point) => point.network))];
  const look = (point) => point.published
    ? {color: series(7), symbol: "diamond", hollow: true}
    : {color: series(networks.indexOf(point.network)), symbol: OVERVIEW_SYMBOLS[networks.indexOf(point.network) % OVERVIEW_SYMBOLS.length]};
  document.getElementById("overview-plot-note").textContent = overviewNote(points, placed, levels, condition);
  const shown = networks.filter((network) => placed.some((point) => !point.published && point.network === network));
  const entries = shown.map((network) => ({name: network || "unknown network", ...look({network})}));
  if (placed.some((point) => point.published)) entries.push({name: "published", ...look({published: true})});
  if (placed.length && levels.length) entries.push({name: "published score, latency not comparable", color: series(7), dash: "2 3"});
  document.getElementById("overview-legend").replaceChildren(legend(entries));
  container.hidden = placed.length === 0;
  if (placed.length) chart(container, overviewLabel(placed, condition), (width) => overviewDraw(placed, levels, look, width));
}

/** Description of the chart for people who do not see it. */
function overviewLabel(placed, condition) {
  const values = placed.slice(0, 30).map((point) => `${point.run}: ${percent(point.score)} % at ${point.latency.toFixed(1)} ms`);
  return `Accuracy against latency on ${condition}. ${values.join("; ")}`;
}

/** Text below the chart: conditions, and the runs and results that it leaves out. */
function overviewNote(points, placed, levels, condition) {
  const count = (number, what) => `${number} ${what}${number === 1 ? "" : "s"}`;
  const ours = new Set(points.filter((point) => !point.published).map((point) => point.run));
  const drawn = new Set(placed.filter((point) => !point.published).map((point) => point.run));
  const unmeasured = new Set(points.filter((point) => !point.published && point.latency === null).map((point) => point.run));
  const elsewhere = ours.size - drawn.size - unmeasured.size;
  const parts = [];
  if (placed.length && drawn.size === 0) {
    parts.push(`Latencies on ${condition}, by the protocols of their sources. No run was measured there.`);
  } else if (placed.length) {
    parts.push(`Each point is a run; a click opens it. Median latency of one image on ${condition}: normalisation, network and argmax, without files. Bars are 95 % bootstrap intervals.`);
  } else {
    parts.push("Nothing to draw: no shown run has both this score and a measured latency. test_fcn.py and profile_fcn.py measure latency.");
  }
  if (unmeasured.size) parts.push(`Left out: ${count(unmeasured.size, "run")} without a measured latency.`);
  if (placed.length && elsewhere) parts.push(`Left out: ${count(elsewhere, "run")} measured only on another device or image size.`);
  const partial = points.filter((point) => drawn.has(point.run) && point.official === false);
  if (partial.length) {
    const which = new Set(partial.map((point) => point.run)).size === drawn.size ? "These scores are" : "Some of these scores are";
    parts.push(`${which} not of the official set of images: do not compare them with published ones.`);
  }
  if (placed.length && levels.length) parts.push(`Lines at the right: ${count(levels.length, "published score")} without a latency on this device. Protocols differ, see the table below.`);
  return parts.join(" ");
}

/** Options of the chart. */
function overviewDraw(placed, levels, look, width) {
  const margin = {marginLeft: 48, marginRight: levels.length ? 56 : 24, marginTop: 24, marginBottom: 44};
  const height = width < 500 ? 320 : 400;
  const latencies = d3.extent(placed, (point) => point.latency);
  const log = latencies[1] / latencies[0] >= 8;
  const x = log
    ? {type: "log", domain: [latencies[0] / 1.5, latencies[1] * 1.5]}
    : {type: "linear", domain: [0, latencies[1] * 1.2]};
  const scores = [...placed, ...levels].flatMap((point) => [point.score, ...(point.interval ?? [])]).map((score) => 100 * score);
  const y = {domain: overviewPadded(d3.extent(scores)), label: "Score (%)"};
  const tip = {maxRadius: 40, lineWidth: width < 500 ? 14 : 24};
  const marks = [
    Plot.ruleX(placed.filter((point) => point.interval), {x: "latency", y1: (point) => 100 * point.interval[0], y2: (point) => 100 * point.interval[1], stroke: (point) => look(point).color, strokeWidth: 1.5, strokeOpacity: 0.7}),
    Plot.tickY(levels, {y: (point) => 100 * point.score, stroke: series(7), strokeWidth: 1.5, strokeDasharray: "2 3", insetLeft: width - margin.marginLeft - margin.marginRight - 40}),
    Plot.dot(placed, {x: "latency", y: (point) => 100 * point.score, r: (point) => (point.run === chosen.run && !point.published ? 8 : 5.5), symbol: (point) => look(point).symbol, stroke: (point) => (point.run === chosen.run && !point.published ? "var(--ink)" : look(point).color), fill: (point) => (look(point).hollow ? "var(--paper)" : look(point).color), strokeWidth: 2}),
    ...overviewLabels(placed, x, y, {...margin, width, height}),
    Plot.tip(placed, Plot.pointer({x: "latency", y: (point) => 100 * point.score, title: overviewTip, ...tip})),
    Plot.tip(levels, Plot.pointer({frameAnchor: "right", y: (point) => 100 * point.score, title: overviewTip, ...tip})),
  ];
  return {
    ...margin, width, height, marks,
    x: {...x, label: "Latency (ms)", grid: true, ticks: log ? undefined : width < 500 ? 4 : 6, tickFormat: log ? "~s" : undefined},
    y: {...y, grid: true}, r: {type: "identity"}, symbol: {type: "identity"}, color: {type: "identity"},
  };
}

/** A domain in percent with some room on both sides. */
function overviewPadded([low, high]) {
  const room = Math.max(1, 0.12 * (high - low));
  return [Math.max(0, low - room), Math.min(100, high + room)];
}

/** Text that appears beside the pointer. */
function overviewTip(point) {
  const interval = point.interval ? ` (${percent(point.interval[0])} to ${percent(point.interval[1])})` : "";
  const lines = [point.run, `${percent(point.score)} %${interval}`];
  if (point.latency !== null) lines.push(`${point.latency.toFixed(1)} ms on ${point.device}`);
  if (point.published) return [...lines, point.protocol, `published: ${point.source}`].filter(Boolean).join("\n");
  if (point.total) lines.push(`${point.total.toFixed(1)} ms with reading and writing files`);
  return [...lines, `${point.size}, ${point.precision}`, point.weights, point.coverage].filter(Boolean).join("\n");
}

/** Names beside the points where there is room: right, left, above or below, otherwise only in the tip. */
function overviewLabels(placed, x, y, frame) {
  const across = Plot.scale({x: {...x, range: [frame.marginLeft, frame.width - frame.marginRight]}}).apply;
  const up = Plot.scale({y: {...y, range: [frame.height - frame.marginBottom, frame.marginTop]}}).apply;
  const boxes = placed.map((point) => overviewBox(across(point.latency), up(100 * point.score), 7, 7));
  const sides = [
    {textAnchor: "start", dx: 11, dy: 0}, {textAnchor: "end", dx: -11, dy: 0},
    {textAnchor: "middle", dx: 0, dy: -15}, {textAnchor: "middle", dx: 0, dy: 15},
  ];
  const texts = sides.map(() => []);
  for (const [index, point] of placed.entries()) {
    const text = point.run.length > 28 ? `${point.run.slice(0, 27)}…` : point.run;
    const half = 3.4 * text.length;
    for (const [side, {textAnchor, dx, dy}] of sides.entries()) {
      const middle = across(point.latency) + dx + (textAnchor === "start" ? half : textAnchor === "end" ? -half : 0);
      const box = overviewBox(middle, up(100 * point.score) + dy, half, 8);
      const inside = box.left >= frame.marginLeft && box.right <= frame.width - 4 && box.top >= 4 && box.bottom <= frame.height - frame.marginBottom;
      if (!inside || boxes.some((other, of) => of !== index && overviewOverlap(box, other))) continue;
      boxes.push(box);
      texts[side].push({...point, text});
      break;
    }
  }
  return sides.map((side, index) => Plot.text(texts[index], {x: "latency", y: (point) => 100 * point.score, text: "text", fill: "var(--ink)", stroke: "var(--paper)", strokeWidth: 3, ...side}));
}

const overviewBox = (x, y, half, high) => ({left: x - half, right: x + half, top: y - high, bottom: y + high});
const overviewOverlap = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
