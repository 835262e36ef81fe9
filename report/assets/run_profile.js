// Section "One run": stages of a prediction as stacked bars, memory, and the figures of its network.

/** Stages, memory and network figures of the run, next to those of the other side. */
function runProfile(view) {
  const place = document.getElementById("run-profile");
  const profiles = runProfilesOf([view, view.other].filter(Boolean));
  if (!profiles.length) {
    place.replaceChildren(runMissing(
      "Not measured yet: ", runCode("test_fcn.py --profile_images 10"), " times the stages of real predictions, and ",
      runCode("profile_fcn.py --output"), " the network on random weights.",
    ));
    return;
  }
  const parts = [];
  const timed = profiles.filter((profile) => profile.stages.length);
  if (timed.length) {
    const container = element("div", {class: "chart"});
    runDrawStages(container, timed);
    parts.push(
      element("figure", {}, element("p", {class: "title"}, "Median milliseconds of each stage of one image, one image at a time"), runStageKey(timed), container),
      runTable("Stages: median and 95th percentile in milliseconds", ["stage", ...timed.map((profile) => profile.heading)], runStageRows(timed)),
    );
  }
  const memory = runMemoryRows(profiles);
  if (memory.length) parts.push(runTable("Peak memory in MiB", ["memory", ...profiles.map((profile) => profile.heading)], memory));
  const networks = profiles.filter((profile) => profile.figures);
  if (networks.length) parts.push(runFigureTable(networks));
  if (!view.run.results.some(({profile}) => profile)) parts.push(runMissing(`${view.name}: the stages of real predictions were not measured; `, runCode("test_fcn.py --profile_images 10"), " does so."));
  if (view.other?.published) parts.push(runMissing(`${view.other.name}: a published result has no profile here.`));
  place.replaceChildren(...parts);
}

/**
 * Profiles of the sides, each with a title and a heading: of the predictions of the chosen result, or of the other
 * results of the run if it was not measured, and of their networks.
 */
function runProfilesOf(sides) {
  const titled = (profile, name, about) => ({...profile, title: `${name}: ${about}`, heading: [name, about]});
  const found = sides.flatMap(({name, run, result}) => {
    const results = result?.profile ? [result] : (run?.results ?? []).filter((other) => other.profile);
    return results.map(({profile, title}) => titled(profile, name, `${title}: ${profile.about}`));
  });
  const networks = [...new Set(sides.flatMap((side) => side.networks))].map((place) => DATA.run.networks[place]);
  return [...found, ...networks.map((network) => titled(network, network.network, `${network.about}, random weights`))];
}

/** Names of all stages, in the order in which they were found. */
const runStageNames = (profiles) => [...new Set(profiles.flatMap((profile) => profile.stages.map(([name]) => name)))];

/** Legend of the stages. */
const runStageKey = (profiles) => legend(runStageNames(profiles).map((name, place) => ({name, color: series(place)})));

/** Draw one stacked bar per profile, below its title. */
function runDrawStages(container, profiles) {
  const names = runStageNames(profiles);
  const bars = profiles.flatMap((profile, line) => {
    let end = 0;
    return profile.stages.map(([name, median, p95]) => ({line, name, median, p95, title: profile.title, from: end, to: (end += median)}));
  });
  const label = `Stages of ${profiles.length === 1 ? "one profile" : `${profiles.length} profiles`}: ${profiles.map((profile) => `${profile.title} ${runMilliseconds(profile)}`).join("; ")}`;
  chart(container, label, (width) => ({
    width, height: 56 * profiles.length + 44, marginLeft: 10, marginTop: 4, marginBottom: 40, marginRight: 24,
    x: {label: "milliseconds", grid: true, domain: [0, 1.02 * d3.max(bars, (bar) => bar.to)]},
    y: {axis: null, domain: d3.range(profiles.length), type: "band", padding: 0},
    marks: [
      Plot.barX(bars, {
        y: "line", x1: "from", x2: "to", insetTop: 24, insetBottom: 6,
        fill: (bar) => series(names.indexOf(bar.name)), stroke: "var(--paper)", strokeWidth: 0.5,
      }),
      Plot.text(profiles, {
        y: (profile, line) => line, x: 0, dy: -16, textAnchor: "start", fill: "currentColor", stroke: "var(--paper)", strokeWidth: 3,
        text: (profile) => runFit(`${profile.title}: ${runMilliseconds(profile)}`, width),
      }),
      Plot.ruleX([0]),
      Plot.tip(bars, Plot.pointer({
        y: "line", x: (bar) => (bar.from + bar.to) / 2,
        lineHeight: 1.3,
        title: (bar) => `${bar.name}: ${bar.median.toFixed(2)} ms\n95th percentile: ${bar.p95 === null ? "-" : bar.p95.toFixed(2)} ms\n${bar.title}`,
      })),
    ],
    color: {type: "identity"},
  }));
}

/** A text that is cut to about the width of a chart. */
const runFit = (text, width) => (text.length * 6.4 > width ? `${text.slice(0, Math.floor(width / 6.4) - 3)}...` : text);

/** Median of the total in words; the sum of the stages if no total was measured. */
function runMilliseconds(profile) {
  if (profile.total) return `${profile.total[1].toFixed(1)} ms`;
  return `${d3.sum(profile.stages, ([, median]) => median).toFixed(1)} ms`;
}

/** Rows of the stages and the total. */
function runStageRows(profiles) {
  const cell = (found) => (found ? `${found[1].toFixed(2)} (${found[2] === null ? "-" : found[2].toFixed(2)})` : "-");
  const rows = runStageNames(profiles).map((name) => [
    name, ...profiles.map((profile) => cell(profile.stages.find(([stage]) => stage === name))),
  ]);
  return [...rows, ["total", ...profiles.map((profile) => cell(profile.total))]];
}

/** Rows of each kind of memory; the reason where it was not measured. */
function runMemoryRows(profiles) {
  const kinds = [...new Set(profiles.flatMap((profile) => profile.memory.map(([kind]) => kind)))];
  const known = (kind) => profiles.some(({memory}) => memory.some(([name, value, reason]) => name === kind && (value !== null || reason)));
  return kinds.filter(known).map((kind) => [kind, ...profiles.map((profile) => {
    const found = profile.memory.find(([name]) => name === kind);
    if (!found) return "-";
    if (found[1] !== null) return Math.round(found[1]).toLocaleString("en");
    return found[2] ? `not measured: ${found[2]}` : "not measured";
  })]);
}

/** Figures of the networks, one column each. */
function runFigureTable(networks) {
  const labels = [...new Set(networks.flatMap((network) => network.figures.map(([label]) => label)))];
  const cell = (figure) => {
    if (!figure) return "not measured";
    const show = (value) => (value === null ? "-" : value.toFixed(figure[2]));
    return Array.isArray(figure[1]) ? figure[1].map(show).join(" to ") : show(figure[1]);
  };
  const rows = labels.map((label) => [label, ...networks.map((network) => cell(network.figures.find(([name]) => name === label)))]);
  return runTable("Networks on random weights, measured by profile_fcn.py", ["figure", ...networks.map((network) => network.heading)], rows);
}
