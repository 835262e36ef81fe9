// Section "One run": networks in the roofline model.

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
  const precisions = new Set(networks.map(({precision}) => precision));
  const points = networks.map((network) => {
    const {intensity, achieved, flops, bytes} = network.roofline;
    const ceiling = Math.min(flops, bytes * intensity);
    return {
      ...network, intensity, achieved, ceiling, share: achieved / ceiling,
      bound: flops < bytes * intensity ? "arithmetic" : "memory",
      label: precisions.size > 1 ? `${network.network}, ${network.precision}` : network.network, mine: view.networks.includes(network.number),
    };
  });
  const container = element("div", {class: "chart"});
  runDrawRoofline(container, points);
  const rows = points.map((point) => [
    point.label, point.size, point.intensity.toFixed(1), runGiga(point.achieved), runGiga(point.ceiling), percent(point.share), point.bound,
  ]);
  body.replaceChildren(
    element("figure", {}, element("p", {class: "title"}, `Roofline on ${points[0].device}`), container),
    runTable("Networks in the roofline model", ["network", "image", "FLOP/byte", "GFLOP/s", "ceiling (GFLOP/s)", "% of the ceiling", "ceiling of"], rows),
    runMissing("A filled point is a network of this run. FLOP/byte: two FLOP for each multiply-accumulate operation, divided by the least bytes to move, each input, weight and output once. The ceilings are the fastest matrix product and copy that were measured on this device."),
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
  const low = d3.min([...points.map((point) => point.achieved), ...roofs.map((roof) => roof.bytes * left)]);
  const label = `Roofline plot: ${points.map((point) => `${point.label} reaches ${percent(point.share)} % of its ceiling, which is ${point.bound}`).join("; ")}`;
  const [bottom, top] = [low / 2, 2.5 * d3.max(roofs, (roof) => roof.flops)];
  chart(container, label, (width) => {
    const height = Math.max(340, Math.min(440, 0.6 * width));
    return {
      width, height, marginLeft: 62, marginRight: 20, marginTop: 24,
      x: {type: "log", domain: [left, right], label: "arithmetic intensity (FLOP/byte)", grid: true, ticks: 6, tickFormat: "~s"},
      y: {type: "log", domain: [bottom, top], label: "FLOP/s", grid: true, ticks: 6, tickFormat: "~s"},
      color: {type: "identity"},
      marks: [
        Plot.lineY(lines, {x: "x", y: "y", z: "precision", stroke: "currentColor", strokeWidth: 1.6}),
        Plot.text(roofs, {
          x: right, y: "flops", dy: -8, textAnchor: "end", fill: "currentColor", text: (roof) => `${roof.precision}: ${runGiga(roof.flops)} GFLOP/s`,
        }),
        Plot.text(roofs.slice(0, 1), {
          x: left, y: (roof) => roof.bytes * left, dx: 10, dy: 4, textAnchor: "start", fill: "currentColor",
          text: (roof) => `memory: ${runGiga(roof.bytes)} GB/s`,
        }),
        ...runPointMarks(points, runPlaced(points, d3.scaleLog([left, right], [62, width - 20]), d3.scaleLog([bottom, top], [height - 30, 24]))),
      ],
    };
  });
}

/** Marks of the networks: distance to the ceiling, point, name and values. */
function runPointMarks(points, placed) {
  return [
    Plot.ruleX(points, {x: "intensity", y1: "achieved", y2: "ceiling", stroke: "var(--quiet)", strokeDasharray: "2 3"}),
    Plot.dot(points, {
      x: "intensity", y: "achieved", r: 6, stroke: series(0), strokeWidth: 2, symbol: "precision",
      fill: (point) => (point.mine ? series(0) : "var(--paper)"),
    }),
    ...placed.map((point) => Plot.text([point], {
      x: "intensity", y: "achieved", text: "label", textAnchor: point.side, dx: point.side === "end" ? -10 : 10, dy: point.dy,
      fill: "currentColor", stroke: "var(--paper)", strokeWidth: 3,
    })),
    Plot.tip(points, Plot.pointer({
      x: "intensity", y: "achieved", lineHeight: 1.3,
      title: (point) => [
        `${point.network}, ${point.about}`, `${point.intensity.toFixed(1)} FLOP/byte`, `${runGiga(point.achieved)} GFLOP/s`,
        `${percent(point.share)} % of the ceiling (${point.bound})`,
      ].join("\n"),
    })),
  ];
}

/**
 * Points with the `side` and the offset `dy` of their names: left of the point if there is no room at its right, and
 * moved down until none is upon another. `x` and `y` are the scales in pixels.
 */
function runPlaced(points, x, y) {
  const boxes = [];
  return d3.sort(points, (point) => -point.achieved).map((point) => {
    const [at, long] = [x(point.intensity), 6.6 * point.label.length + 10];
    const side = at + long > x.range()[1] ? "end" : "start";
    const box = {from: side === "end" ? at - long : at, to: side === "end" ? at : at + long, middle: y(point.achieved)};
    for (const before of boxes) {
      if (before.from < box.to && box.from < before.to) box.middle = Math.max(box.middle, before.middle + 14);
    }
    boxes.push(box);
    return {...point, side, dy: box.middle - y(point.achieved)};
  });
}
