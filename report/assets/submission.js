// Submission: copy buttons of hashes. Agreement: differing pixels by label.

SECTIONS.submission = () => {
  for (const button of document.querySelectorAll(".submission-copy")) {
    button.hidden = false;
    button.addEventListener("click", () => submissionCopy(button));
  }
  for (const table of document.querySelectorAll(".submission-labels")) sortable(table);
  for (const container of document.querySelectorAll(".submission-agreement")) {
    submissionAgreementChart(container, DATA.submission.agreements[Number(container.dataset.agreement)]);
  }
};

/** Copy a hash; where a browser does not allow it, select it. */
async function submissionCopy(button) {
  const code = document.getElementById(button.dataset.from);
  const status = button.parentElement.querySelector("[role=status]");
  try {
    await navigator.clipboard.writeText(code.textContent);
    status.textContent = "copied";
  } catch {
    getSelection().selectAllChildren(code);
    status.textContent = "selected: copy it with Ctrl+C";
  }
}

/** Draw the differing pixels of each label, at boundaries and elsewhere. */
function submissionAgreementChart(container, {labels}) {
  const differing = labels.filter((row) => row.differing > 0);
  const parts = ["at boundaries", "elsewhere"];
  const bars = differing.flatMap((row) => [
    {name: row.name, part: parts[0], value: row.per_million_at_boundary},
    {name: row.name, part: parts[1], value: row.per_million - row.per_million_at_boundary},
  ]);
  const looks = {
    [parts[0]]: {fill: series(0)},
    [parts[1]]: {fill: "var(--paper)", stroke: series(1), strokeWidth: 1.5},
  };
  container.before(legend([{name: parts[0], color: series(0)}, {name: parts[1], color: series(1), hollow: true}]));
  const label = "Differing pixels per million by label: " + differing.map((row) => `${row.name} ${row.per_million.toFixed(1)}`).join("; ");
  chart(container, label, () => differing.length === 0 ? null : {
    height: 64 + 20 * differing.length,
    marginLeft: 16 + 7 * Math.max(...differing.map(({name}) => Math.min(name.length, 24))),
    marginBottom: 44,
    x: {label: "differing pixels per million →", grid: true},
    y: {label: null, domain: differing.map(({name}) => name), tickFormat: (name) => (name.length > 24 ? `${name.slice(0, 23)}…` : name)},
    marks: [
      parts.map((part) => Plot.barX(bars.filter((bar) => bar.part === part), {
        y: "name", inset: 1, ...looks[part],
        x1: (bar) => (part === parts[0] ? 0 : differing.find(({name}) => name === bar.name).per_million_at_boundary),
        x2: (bar) => bar.value + (part === parts[0] ? 0 : differing.find(({name}) => name === bar.name).per_million_at_boundary),
      })),
      Plot.ruleX([0], {stroke: "var(--quiet)"}),
      Plot.tip(differing, Plot.pointerY({
        y: "name", x: "per_million",
        title: (row) => `${row.name}\n${row.differing.toLocaleString("en")} of ${row.pixels.toLocaleString("en")} pixels differ\n${row.at_boundary.toLocaleString("en")} of them at boundaries`,
      })),
    ],
  });
}
