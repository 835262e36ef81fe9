// Section "One run": configuration, and its difference to that of another run.

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
  const headings = ["option", view.name, other.name];
  const compared = parts.map(([title, values, others = {}]) => ({
    title,
    alone: !Object.keys(values).length ? other.name : !Object.keys(others).length ? view.name : null,
    rows: Object.keys({...values, ...others}).map((name) => [name, values[name] ?? "-", others[name] ?? "-"]),
  }));
  place.replaceChildren(
    ...compared.map((part) => runDifferences(part, headings)),
    ...compared.map(({title, rows}) => runDetails(`All: ${title}`, () => runTable(title, headings, rows))),
  );
}

/** Table of the rows that differ, or the reason why there is none. */
function runDifferences({title, alone, rows}, headings) {
  if (alone !== null) return runMissing(`${title}: recorded for ${alone} only.`);
  const differing = rows.filter(([, value, otherValue]) => value !== otherValue);
  return differing.length ? runTable(`${title}: ${differing.length} that differ`, headings, differing) : runMissing(`${title}: no difference.`);
}

/** Names and values in as many columns as there is room for. */
function runOptionList(values) {
  const pairs = Object.entries(values).map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)));
  return element("dl", {class: "options"}, ...pairs);
}

/** Settings of the predictions of a side, by label. */
const runMadeWith = (side) => Object.fromEntries(side.result?.made_with ?? []);
