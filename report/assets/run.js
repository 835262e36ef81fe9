// Section "One run": choosers of the run, its result and the other side, and what all parts of the section share.

/** Chosen positions: run and result, and the other side, which is a run with its result or a published result. */
const runChoice = {run: 0, result: 0, kind: "none", other: 0, otherResult: 0};

/** Largest number of faults that are shown with the run. */
const RUN_FAULTS = 4;

SECTIONS.run = () => {
  const {runs} = DATA.run;
  document.getElementById("run-parts").hidden = false;
  if (!runs.length) {
    if (DATA.run.networks.length) runRoofline({name: "", networks: [], other: null});
    return;
  }
  const runSelect = document.getElementById("run-run");
  runs.forEach((run, place) => runSelect.append(element("option", {value: place}, run.name)));
  const listen = (id, change) => document.getElementById(id).addEventListener("change", (event) => change(event.target.value));
  listen("run-run", (value) => chosen.choose(runs[value].name));
  listen("run-result", (value) => { runChoice.result = Number(value); runShow(); });
  listen("run-other", (value) => { runCompare(value); runShow(); });
  listen("run-other-result", (value) => { runChoice.otherResult = Number(value); runShow(); });
  chosen.follow((name) => {
    const place = runs.findIndex((run) => run.name === name);
    if (place < 0) return;
    Object.assign(runChoice, {run: place, result: 0});
    const itself = runChoice.kind === "run" && runChoice.other === place;
    const foreign = runChoice.kind === "published" && !runPublished().includes(DATA.run.published[runChoice.other]);
    if (itself || foreign) runCompare("none");
    runShow();
  });
};

/** Choose the other side by the value of its option: `none`, `run 3` or `published 3`. */
function runCompare(value) {
  const [kind, place] = value.split(" ");
  Object.assign(runChoice, {kind, other: Number(place ?? 0), otherResult: 0});
}

/** Published results of the benchmark of the chosen run, those on the split of the chosen result first. */
function runPublished() {
  const run = DATA.run.runs[runChoice.run];
  const benchmarks = new Set([run.benchmark, ...run.results.map((result) => result.benchmark)]);
  const split = run.results[runChoice.result]?.split;
  return d3.sort(DATA.run.published.filter((published) => benchmarks.has(published.benchmark)), (published) => published.split !== split);
}

/** Show everything of the chosen run, result and other side. */
function runShow() {
  runFillChoosers();
  const view = runView();
  runAbout(view);
  for (const show of [runGlance, runCurves, runClasses, runConfusion, runProfile, runRoofline, runConfiguration]) show(view);
}

/**
 * What the parts show: `name`, `run`, `result` (or null), `scores` (or null), `networks`, and `other`, which has the
 * same and `published` (or null), or is null.
 */
function runView() {
  const side = (run, place) => {
    const result = run.results[place] ?? null;
    return {name: run.name, run, result, scores: result?.scores ?? null, networks: run.networks, published: null};
  };
  const view = side(DATA.run.runs[runChoice.run], runChoice.result);
  view.other = null;
  if (runChoice.kind === "run") view.other = side(DATA.run.runs[runChoice.other], runChoice.otherResult);
  if (runChoice.kind === "published") view.other = runPublishedSide(DATA.run.published[runChoice.other], view.scores);
  return view;
}

/** A published result in the form of a run's side; the main average takes the name that the run's scores give it. */
function runPublishedSide(published, scores) {
  const average = scores?.averages[0]?.[0] ?? "score";
  const others = published.averages.filter(([name]) => name !== average);
  return {
    name: published.name, run: null, result: null, networks: [], published,
    scores: {
      figures: scores?.figures.slice(0, 1) ?? ["IoU"],
      classes: published.classes.map(([name, value]) => [name, [value], null]),
      averages: [[average, published.score], ...others],
      interval: null, coverage: published.split, official: true, confusion: null,
    },
  };
}

/** Fill the choosers that depend on the chosen run. */
function runFillChoosers() {
  const {runs, published} = DATA.run;
  const run = runs[runChoice.run];
  document.getElementById("run-run").value = runChoice.run;
  runFillResults("run-result", run, runChoice.result);
  const select = document.getElementById("run-other");
  const others = element("optgroup", {label: "Other runs"});
  runs.forEach((other, place) => {
    if (place !== runChoice.run) others.append(element("option", {value: `run ${place}`}, other.name));
  });
  const fromPapers = element("optgroup", {label: "Published results"});
  for (const result of runPublished()) {
    const text = `${result.name}, ${result.split}: ${percent(result.score)}`;
    fromPapers.append(element("option", {value: `published ${published.indexOf(result)}`}, text));
  }
  select.replaceChildren(
    element("option", {value: "none"}, "nothing"),
    ...[others, fromPapers].filter((group) => group.childElementCount),
  );
  select.value = runChoice.kind === "none" ? "none" : `${runChoice.kind} ${runChoice.other}`;
  runFillResults("run-other-result", runChoice.kind === "run" ? runs[runChoice.other] : {results: []}, runChoice.otherResult);
}

/** Fill a chooser of results, which is hidden if there is nothing to choose. */
function runFillResults(id, run, place) {
  const select = document.getElementById(id);
  select.replaceChildren(...run.results.map((result, number) => element("option", {value: number}, result.title)));
  select.value = place;
  select.parentElement.hidden = run.results.length < 2;
}

/** What a reader must know before comparing: faults, another split, an unofficial set of images, and the source. */
function runAbout(view) {
  const {other} = view;
  const notes = view.run.faults.slice(0, RUN_FAULTS).map(([path, message]) => `${path}: ${message}`);
  if (view.run.faults.length > RUN_FAULTS) notes.push(`${view.run.faults.length - RUN_FAULTS} more files of this run are listed at the top of the page.`);
  if (other?.published && view.scores && view.result.split !== other.published.split) {
    notes.push(`Different splits: ${view.result.split} and ${other.published.split}.`);
  }
  if (other?.run && view.result && other.result) {
    if (view.result.benchmark !== other.result.benchmark) {
      notes.push(`Different benchmarks: ${view.result.benchmark} and ${other.result.benchmark}.`);
    } else if (view.result.split !== other.result.split) {
      notes.push(`Different splits: ${view.result.split} and ${other.result.split}.`);
    }
    const tasks = [view.scores?.task, other.scores?.task];
    if (tasks[0] && tasks[1] && tasks[0] !== tasks[1]) notes.push(`Different tasks: ${tasks[0]} and ${tasks[1]}; their scores are not comparable.`);
  }
  const found = notes.map((note) => element("p", {class: "note warn"}, note));
  if (view.scores?.coverage) {
    found.unshift(element("p", {class: `note${view.scores.official === false ? " warn" : ""}`}, `Scored: ${view.scores.coverage}.`));
  }
  if (other?.published) {
    const {protocol, source, url, split} = other.published;
    const link = url ? element("a", {href: url, rel: "noreferrer"}, source) : source;
    found.push(element("p", {class: "note"}, `${other.name}, ${split} split: ${protocol ? `${protocol}. ` : ""}Source: `, link));
  }
  const verdict = runVerdict(view);
  if (verdict) found.push(element("p", {class: "note"}, verdict, " ", element("a", {href: "#comparison"}, "Comparison by class")));
  document.getElementById("run-about").replaceChildren(...found);
}

/** The difference of the main averages with its interval, in words; null without two results that can be compared. */
function runVerdict({name, result, other}) {
  const {results} = DATA.comparison;
  const [a, b] = [result, other?.result].map((one) => results.findIndex(({key}) => key === one?.key));
  if (a < 0 || b < 0 || a === b || results[a].kind !== results[b].kind || results[a].benchmark !== results[b].benchmark) return null;
  const average = DATA.comparison.kinds[results[a].kind].average;
  const compared = comparisonFigures(average, results[a].averages[average], results[b].averages[average], comparisonIntervals(a, b)?.[0]);
  return comparisonVerdict(compared, comparisonReason(results[a], results[b]), [name, other.name]);
}

/**
 * A table in a region that scrolls: `headings` are texts, or pairs of a text and a smaller one below it; `rows` are
 * lists of texts whose first one names the row. Columns that hold nothing but numbers are aligned at the right.
 */
function runTable(caption, headings, rows) {
  const sides = headings.map((_, place) => (place > 0 && rows.every((row) => runIsNumber(row[place])) ? "number" : null));
  const heading = (text) => (Array.isArray(text) ? [text[0], element("small", {}, text[1])] : [text]);
  const head = element("tr", {}, ...headings.map((text, place) => element("th", {scope: "col", class: sides[place]}, ...heading(text))));
  const lines = rows.map(([name, ...cells]) => element(
    "tr", {}, element("th", {scope: "row"}, name), ...cells.map((cell, place) => element("td", {class: sides[place + 1]}, cell)),
  ));
  const table = element("table", {}, element("caption", {}, caption), element("thead", {}, head), element("tbody", {}, ...lines));
  return element("div", {class: `scroll run-table${rows.length > 30 ? " tall" : ""}`, tabindex: 0, role: "region", "aria-label": caption}, table);
}

/** Whether a cell holds a number, two of them, or a dash. */
const runIsNumber = (cell) => /^(-|[+\u2212-]?[\d,.]+( (to [\d.,]+|\([\d.,-]+\)))?)$/.test(cell);

/** Summaries of the parts that are open, which stay open when another run is chosen. */
const runOpened = new Set();

/** A part of the page that opens, and whose content is made when it does. */
function runDetails(summary, make) {
  const details = element("details", {}, element("summary", {}, summary));
  const fill = () => { if (details.open && details.childElementCount === 1) details.append(make()); };
  details.addEventListener("toggle", () => {
    runOpened[details.open ? "add" : "delete"](summary);
    fill();
  });
  details.open = runOpened.has(summary);
  fill();
  return details;
}

/** Legend of the run and the other side. */
const runSidesKey = (view) => legend([view, view.other].filter(Boolean).map((side, place) => ({name: side.name, color: series(place)})));

/** A paragraph that says what is missing, and why. */
const runMissing = (...texts) => element("p", {class: "note"}, ...texts);

/** A command within a sentence. */
const runCode = (command) => element("code", {}, command);

/** A difference of two shares in percentage points with its sign, or a dash. */
function runPoints(first, second) {
  if (first === null || first === undefined || second === null || second === undefined) return "-";
  const points = (100 * (first - second)).toFixed(1);
  return Number(points) === 0 ? "0.0" : Number(points) > 0 ? `+${points}` : points.replace("-", "\u2212");
}

/** An interval of shares in percent, or a dash. */
const runInterval = (interval) => (interval ? `${percent(interval[0])} to ${percent(interval[1])}` : "-");
