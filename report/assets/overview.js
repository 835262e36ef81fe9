// Section: overview. Table of runs: sort, filter, and choose a run. The chart of accuracy and latency is in
// overview_plot.js.

SECTIONS.overview = () => {
  for (const table of document.querySelectorAll("#overview-runs, #overview-published")) {
    sortable(table, (heading, direction) => overviewAnnounce(`sorted by ${heading}, ${direction}`));
  }
  const form = document.getElementById("overview-filters");
  if (form) {
    form.hidden = false;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", overviewFilter);
    form.addEventListener("reset", () => setTimeout(overviewFilter)); // after the fields are empty
    overviewFilter();
  }
  chosen.follow((run) => {
    for (const row of document.querySelectorAll("#overview-runs tbody tr")) {
      if (row.dataset.run === run) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    }
  });
  overviewPlotSetUp();
};

/** Names of the runs that the filters show. */
let overviewShown = new Set();

/** Show the rows that match all filters: every word of the text, in any column, and the chosen values. */
function overviewFilter() {
  const words = document.getElementById("overview-text").value.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = (name) => document.getElementById(`overview-${name}`)?.value ?? "";
  const names = ["benchmark", "network", "status"];
  for (const row of document.querySelectorAll("#overview-runs tbody tr, #overview-published tbody tr")) {
    const text = row.textContent.toLowerCase();
    const chosenValues = names.filter((name) => name in row.dataset && wanted(name) !== "");
    row.hidden = !(chosenValues.every((name) => row.dataset[name] === wanted(name)) && words.every((word) => text.includes(word)));
  }
  const runs = [...document.querySelectorAll("#overview-runs tbody tr")];
  overviewShown = new Set(runs.filter((row) => !row.hidden).map((row) => row.dataset.run));
  overviewColumns();
  overviewAnnounce();
  overviewPlotUpdate();
}

/** Hide averages that none of the shown runs has: benchmarks and tasks have different ones. */
function overviewColumns() {
  const table = document.getElementById("overview-runs");
  if (!table) return;
  const shown = [...table.tBodies[0].rows].filter((row) => !row.hidden);
  for (const heading of table.tHead.rows[1].cells) {
    if (!heading.dataset.key.startsWith("average:")) continue;
    const column = heading.cellIndex;
    const empty = shown.length > 0 && shown.every((row) => row.cells[column].dataset.value === "-");
    for (const row of [table.tHead.rows[1], ...table.tBodies[0].rows]) row.cells[column].hidden = empty;
  }
  for (const group of table.tHead.rows[0].cells) {
    const of = [...table.tHead.rows[1].cells].filter((cell) => cell.dataset.group === group.dataset.group);
    group.colSpan = of.filter((cell) => !cell.hidden).length;
  }
}

/** Announce the number of rows that are shown, and what changed. */
function overviewAnnounce(change = "") {
  const parts = [["runs", "overview-runs"], ["published results", "overview-published"]].flatMap(([what, id]) => {
    const rows = [...document.querySelectorAll(`#${id} tbody tr`)];
    return rows.length ? [`${rows.filter((row) => !row.hidden).length} of ${rows.length} ${what}`] : [];
  });
  const output = document.getElementById("overview-count");
  if (output) output.textContent = [parts.join(" and "), change].filter(Boolean).join("; ");
}
