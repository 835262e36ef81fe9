// Section "One run": networks in the roofline model, and the configuration.

/** The roofline plot of all network profiles of a device; the run's network is filled. */
function runRoofline(view) {
  const place = document.getElementById("run-roofline");
  const known = DATA.run.networks.map((network, number) => ({...network, number})).filter((network) => network.roofline);
  if (!known.length) {
    place.replaceChildren(runMissing("Not measured yet: ", runCode("profile_fcn.py --output"), " measures networks and the peaks of the device."));
    return;
  }
  const devices = d3.groups(known, (network) => network.device);
  const mine = known.find((network) => view.networks.includes(network.number));
  const body = element("div");
  const parts = [body];
  const first = mine ? mine.device : devices[0][0];
  if (devices.length > 1) {
    const select = element("select", {id: "run-device"}, ...devices.map(([device]) => element("option", {}, device)));
    select.value = first;
    select.addEventListener("change", () => runFillRoofline(body, view, devices[select.selectedIndex][1]));
    parts.unshift(element("p", {class: "controls"}, element("label", {}, "Device", select)));
  }
  runFillRoofline(body, view, devices.find(([device]) => device === first)[1]);
  place.replaceChildren(...parts);
}

/** Fill plot and table for the networks of one device. */
function runFillRoofline(body, view, networks) {
  const points = networks.map((network) => {
    const {intensity, achieved, flops, bytes} = network.roofline;
    const ceiling = Math.min(flops, bytes * intensity);
    return {
      ...network, intensity, achieved, ceiling, share: achieved / ceiling,
      bound: flops < bytes * intensity ? "arithmetic" : "memory",
      label: `${network.network}, ${network.precision}`, mine: view.networks.includes(network.number),
    };
  });
  const container = element("div", {class: "chart"});
  runDrawRoofline(container, points);
  const rows = points.map((point) => [
    point.label, point.size, point.intensity.toFixed(1), runGiga(point.achieved), runGiga(point.ceiling), percent(point.share), point.bound,
  ]);
  body.replaceChildren(
    element("figure", {}, element("p", {class: "title"}, `${points[0].device}: a network cannot be above the roof of its precision. Filled: networks of this run.`), container),
    runTable("Networks in the roofline model", ["network", "image", "FLOP/byte", "GFLOP/s", "ceiling (GFLOP/s)", "% of the ceiling", "ceiling of"], rows),
    runMissing("FLOP/byte: two FLOP for each multiply-accumulate operation, divided by the least bytes to move, each input, weight and output once. The ceilings are the fastest matrix product and copy that were measured on this device."),
  );
}

/** FLOP/s in units of 10^9. */
const runGiga = (value) => (value / 1e9).toPrecision(4).replace(/\.0+$/, "");

/** Draw points and ceilings; both axes are logarithmic. */
function runDrawRoofline(container, points) {
  const roofs = d3.groups(points, (point) => point.precision).map(([precision, of]) => ({
    precision, flops: d3.max(of, (point) => point.roofline.flops), bytes: d3.max(of, (point) => point.roofline.bytes),
  }));
  const ridges = roofs.map((roof) => roof.flops / roof.bytes);
  const left = d3.min([...ridges, ...points.map((point) => point.intensity)]) / 6;
  const right = d3.max([...ridges, ...points.map((point) => point.intensity)]) * 6;
  const lines = roofs.flatMap((roof) => [left, roof.flops / roof.bytes, right].map((x) => ({
    x, y: Math.min(roof.flops, roof.bytes * x), precision: roof.precision,
  })));
  const middle = Math.sqrt(left * right); // a name beyond it is written at the left of its point
  const low = d3.min([...points.map((point) => point.achieved), ...roofs.map((roof) => roof.bytes * left)]);
  const label = `Roofline plot: ${points.map((point) => `${point.label} reaches ${percent(point.share)} % of its ceiling, which is ${point.bound}`).join("; ")}`;
  chart(container, label, (width) => ({
    width, height: Math.min(420, 0.75 * width), marginLeft: 62, marginRight: 20, marginTop: 24,
    x: {type: "log", domain: [left, right], label: "arithmetic intensity (FLOP/byte)", grid: true, ticks: 6, tickFormat: "~s"},
    y: {type: "log", domain: [low / 2, 2.5 * d3.max(roofs, (roof) => roof.flops)], label: "FLOP/s", grid: true, ticks: 6, tickFormat: "~s"},
    marks: [
      Plot.lineY(lines, {x: "x", y: "y", z: "precision", stroke: "currentColor", strokeWidth: 1.6}),
      Plot.text(roofs, {x: right, y: "flops", dy: -8, textAnchor: "end", text: (roof) => `${roof.precision}: ${runGiga(roof.flops)} GFLOP/s`, fill: "currentColor"}),
      Plot.text(roofs.slice(0, 1), {x: left, y: (roof) => roof.bytes * left, dx: 10, dy: 4, textAnchor: "start", text: (roof) => `memory: ${runGiga(roof.bytes)} GB/s`, fill: "currentColor"}),
      Plot.ruleX(points, {x: "intensity", y1: "achieved", y2: "ceiling", stroke: "var(--quiet)", strokeDasharray: "2 3"}),
      Plot.dot(points, {x: "intensity", y: "achieved", r: 6, stroke: "var(--series-1)", strokeWidth: 2, fill: (point) => (point.mine ? "var(--series-1)" : "var(--paper)"), symbol: "precision"}),
      ...["start", "end"].map((textAnchor) => Plot.text(points.filter(({intensity}) => (intensity > middle) === (textAnchor === "end")), {
        x: "intensity", y: "achieved", text: "label", textAnchor, dx: textAnchor === "end" ? -10 : 10, fill: "currentColor", stroke: "var(--paper)", strokeWidth: 3,
      })),
      Plot.tip(points, Plot.pointer({
        x: "intensity", y: "achieved",
        lineHeight: 1.3,
        title: (point) => `${point.network}, ${point.about}\n${point.intensity.toFixed(1)} FLOP/byte\n${runGiga(point.achieved)} GFLOP/s\n${percent(point.share)} % of the ceiling (${point.bound})`,
      })),
    ],
    color: {type: "identity"},
  }));
}

/** Options and environment, those that differ from the other run first. */
function runConfiguration(view) {
  const place = document.getElementById("run-configuration");
  const parts = [
    ["Options of the training", view.run.options, view.other?.run?.options],
    ["Settings of the predictions", runMadeWith(view), view.other?.run ? runMadeWith(view.other) : undefined],
    ["Environment", view.run.environment, view.other?.run?.environment],
  ].filter(([, values, others]) => Object.keys({...values, ...others}).length);
  if (!parts.length) {
    place.replaceChildren(runMissing("Nothing is recorded of how these results were made."));
    return;
  }
  const {other} = view;
  if (!other?.run) {
    place.replaceChildren(
      ...(other ? [runMissing(`The configuration of ${other.name} is described above, under its protocol.`)] : []),
      ...parts.flatMap(([title, values]) => [element("h4", {}, title), runOptionList(values)]),
    );
    return;
  }
  const compared = parts.map(([title, values, others = {}]) => [title, Object.keys({...values, ...others}).map((name) => [name, values[name] ?? "-", others[name] ?? "-"])]);
  const differing = compared.map(([title, rows]) => [title, rows.filter(([, value, otherValue]) => value !== otherValue)]);
  const headings = ["option", view.name, other.name];
  place.replaceChildren(
    ...differing.map(([title, rows]) => (rows.length ? runTable(`${title}: ${rows.length} that differ`, headings, rows) : runMissing(`${title}: no difference.`))),
    ...compared.map(([title, rows]) => runDetails(`All: ${title}`, () => runTable(title, headings, rows))),
  );
}

/** Names and values in as many columns as there is room for. */
function runOptionList(values) {
  const pairs = Object.entries(values).map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)));
  return element("dl", {class: "options"}, ...pairs);
}

/** Settings of the predictions of a side, by label. */
const runMadeWith = (side) => Object.fromEntries(side.result?.made_with ?? []);
