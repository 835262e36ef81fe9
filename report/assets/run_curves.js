// Section "One run": averages at a glance, and curves over epochs.

/** Panels of the curves: name, key in the history, and whether the values are shares, shown in percent. */
const RUN_PANELS = [
  ["loss", "loss", false],
  ["mIoU (%)", "miou", true],
  ["mean Dice (%)", "mean_dice", true],
  ["pixel accuracy (%)", "pixel_accuracy", true],
  ["mean pixel accuracy (%)", "mean_pixel_accuracy", true],
  ["learning rate", "learning_rate", false],
];
const RUN_SPLITS = {val: "validation", train: "training", rate: "learning rate"};
const RUN_COLORS = {val: series(0), train: series(1), rate: series(2)};

/** Averages of the result and facts of the run, next to those of the other side. */
function runGlance(view) {
  const parts = [];
  if (view.scores) parts.push(runAverages(view));
  const facts = new Map(view.run.facts.map(([label, value]) => [label, [value]]));
  for (const [label, value] of view.other?.run?.facts ?? []) (facts.get(label) ?? facts.set(label, ["-"]).get(label)).push(value);
  const width = view.other?.run ? 2 : 1;
  const rows = [...facts].map(([label, values]) => [label, values[0], ...(width === 2 ? [values[1] ?? "-"] : [])]);
  const best = runBest(view, width);
  if (best.slice(1).some((text) => text !== "-")) rows.splice(Math.min(3, rows.length), 0, best);
  const names = width === 2 ? [view.name, view.other.name] : [view.name];
  parts.push(runTable("The run", ["fact", ...names], rows));
  if (!view.scores) {
    parts.unshift(runMissing("Nothing was scored yet: predict a split with ", runCode("test_fcn.py"), ", which scores it where there is ground truth."));
  }
  const place = document.getElementById("run-glance");
  place.className = "grid";
  place.replaceChildren(...parts);
}

/** Row of the best epoch of the run, and of the other one. */
function runBest(view, width) {
  const best = (run) => {
    const history = run?.history;
    if (!history || history.best === null) return "-";
    return `epoch ${history.epochs[history.best]}, mIoU ${percent(history.val_miou[history.best])} %`;
  };
  return ["best epoch, validation", best(view.run), ...(width === 2 ? [best(view.other.run)] : [])];
}

/** Table of the averages, with the interval of the first one. */
function runAverages(view) {
  const {scores, other} = view;
  const others = new Map(other?.scores?.averages ?? []);
  const rows = scores.averages.map(([name, value], place) => [
    name, percent(value), place === 0 ? runInterval(scores.interval) : "-",
    ...(other ? [percent(others.get(name)), runPoints(value, others.get(name))] : []),
  ]);
  const headings = ["average", view.name, "95 % interval", ...(other ? [other.name, "difference"] : [])];
  const on = [view.result.title, view.result.benchmark].filter(Boolean).join(", ");
  return runTable(`Averages in percent: ${on}`, headings, rows);
}

/** Curves of the run, with those of the other run dashed. */
function runCurves(view) {
  const place = document.getElementById("run-curves");
  const {history} = view.run;
  const other = view.other?.run?.history ?? null;
  if (!history) {
    place.replaceChildren(runMissing(
      view.run.status === "results only" ? "These are results without a training, so there are no curves." : "No epoch was recorded yet.",
    ));
    return;
  }
  const grid = element("div", {class: "curves"});
  const panels = RUN_PANELS.map(([title, key, share]) => [title, runSeries(view, key), share]);
  const missing = panels.filter(([, lines]) => !lines.length).map(([title]) => title);
  for (const [title, lines, share] of panels) {
    if (lines.length) grid.append(runPanel(title, lines, share));
  }
  place.replaceChildren(
    runCurveKey(view, other),
    grid,
    ...(missing.length ? [runMissing(`Not recorded: ${missing.join(", ")}.`)] : []),
    ...(history.left_out ? [runMissing(`${history.epochs.length} of ${history.left_out + history.epochs.length} epochs are drawn.`)] : []),
    ...(history.by_class ? [runClassCurve(view)] : []),
    runDetails("Curves as a table", () => runCurveTable(view)),
  );
}

/** Explanation of colours and dashes. */
function runCurveKey(view, other) {
  return legend([
    {name: "validation", color: series(0), dash: null},
    {name: "training crops", color: series(1), dash: null},
    {name: "best epoch", color: "var(--ink)", symbol: "circle", hollow: true},
    ...(other ? [{name: view.name, color: "var(--ink)", dash: null}, {name: view.other.name, color: "var(--ink)", dash: "5 4"}] : []),
  ]);
}

/** Series of a metric: of the run first, then of the other run. */
function runSeries(view, key) {
  const sides = [[view.name, view.run.history, false], [view.other?.name, view.other?.run?.history, true]];
  const columns = key === "learning_rate" ? [["rate", key]] : [["train", `train_${key}`], ["val", `val_${key}`]];
  return sides.filter(([, history]) => history).flatMap(([name, history, dashed]) => columns
    .filter(([, column]) => history[column])
    .map(([split, column]) => ({
      name, split, dashed,
      best: split === "val" ? history.best : null,
      points: history.epochs.map((epoch, place) => ({epoch, value: history[column][place], place}))
        .filter((point) => point.value !== null),
    })));
}

/** Text of a value beside its axis, short enough for the margin: a chart of a single value has that value as its tick. */
function runTick(value) {
  return d3.format(value !== 0 && Math.abs(value) < 1e-4 ? ".3~e" : ".5~g")(value);
}

/** One chart with its title. */
function runPanel(title, lines, share) {
  const container = element("div", {class: "chart"});
  runDrawCurves(container, title, lines, share);
  return element("figure", {}, element("p", {class: "title"}, title), container);
}

/** Draw lines over epochs: hover shows the values of all of them at an epoch. */
function runDrawCurves(container, title, lines, share) {
  const scale = share ? 100 : 1;
  const show = (value) => (share ? (100 * value).toFixed(1) : Number(value.toPrecision(4)).toString());
  const byEpoch = d3.group(lines.flatMap((of) => of.points.map((point) => ({...point, of}))), (point) => point.epoch);
  const rows = Array.from(byEpoch, ([epoch, points]) => ({
    epoch,
    value: d3.max(points, (point) => scale * point.value),
    text: [`epoch ${epoch}`, ...points.map(({of, value}) => `${lines.some((one) => one.dashed) ? `${of.name}, ` : ""}${RUN_SPLITS[of.split]}: ${show(value)}`)].join("\n"),
  })).sort((first, second) => first.epoch - second.epoch);
  const last = lines.map((of) => `${of.name} ${RUN_SPLITS[of.split]} ${of.points.length ? show(of.points.at(-1).value) : "-"}`);
  chart(container, `${title} over epochs. At the end: ${last.join("; ")}`, (width) => ({
    height: 216, marginLeft: 52, marginRight: 16, marginBottom: 42, width,
    x: {label: "epoch", labelOffset: 38, ticks: Math.min(6, rows.length), tickFormat: (epoch) => (Number.isInteger(epoch) ? `${epoch}` : "")},
    y: {label: null, grid: true, ticks: 5, tickFormat: runTick, nice: true},
    marks: [
      ...lines.map((of) => Plot.lineY(of.points, {
        x: "epoch", y: (point) => scale * point.value, stroke: RUN_COLORS[of.split],
        strokeWidth: of.split === "train" ? 1.4 : 2.2, strokeDasharray: of.dashed ? "5 4" : null,
        marker: of.points.length < 40 ? "dot" : null,
      })),
      ...lines.filter((of) => of.best !== null).map((of) => Plot.dot(of.points.filter((point) => point.place === of.best), {
        x: "epoch", y: (point) => scale * point.value, r: 6, stroke: "currentColor", strokeWidth: 1.5,
        strokeDasharray: of.dashed ? "2 2" : null,
      })),
      Plot.ruleX(rows, Plot.pointerX({x: "epoch", stroke: "currentColor", strokeOpacity: 0.4})),
      Plot.tip(rows, Plot.pointerX({x: "epoch", y: "value", title: "text", lineHeight: 1.3})),
    ],
  }));
}

/** IoU of a chosen class over epochs. */
function runClassCurve(view) {
  const {by_class: own} = view.run.history;
  const other = view.other?.run?.history?.by_class ?? null;
  const select = element("select", {id: "run-class"});
  own.names.forEach((name) => select.append(element("option", {}, name)));
  const container = element("div", {class: "chart"});
  const line = (name, of, place, dashed) => ({
    name, split: of.split, dashed, best: null,
    points: of.epochs.map((epoch, number) => ({epoch, value: of.values[place][number]})).filter((point) => point.value !== null),
  });
  const draw = () => {
    const name = select.value;
    const lines = [line(view.name, own, select.selectedIndex, false)];
    const place = other?.names.indexOf(name) ?? -1;
    if (place >= 0) lines.push(line(view.other.name, other, place, true));
    runDrawCurves(container, `IoU of ${name} (%)`, lines, true);
  };
  select.addEventListener("change", draw);
  draw();
  return element(
    "figure", {},
    element("p", {class: "title"}, element("label", {for: "run-class"}, `IoU over epochs (%), ${RUN_SPLITS[own.split]}, class `), select),
    container,
  );
}

/** All values of the curves of the run. */
function runCurveTable(view) {
  const {history} = view.run;
  const columns = RUN_PANELS.flatMap(([title, key, share]) => (key === "learning_rate" ? [[title, key, share]] : ["train", "val"].map((split) => [`${RUN_SPLITS[split]} ${title}`, `${split}_${key}`, share])))
    .filter(([, column]) => history[column]);
  const show = (value, share) => (value === null ? "-" : share ? percent(value) : Number(value.toPrecision(4)).toString());
  const rows = history.epochs.map((epoch, place) => [`${epoch}${place === history.best ? " (best)" : ""}`, ...columns.map(([, column, share]) => show(history[column][place], share))]);
  return runTable(`Curves of ${view.name}`, ["epoch", ...columns.map(([title]) => title)], rows);
}
