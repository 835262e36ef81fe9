// Comparison of two results: choosers, verdict in words, table and chart by class, and intervals of all results.

/** Positions in DATA.comparison.results of the two compared results. */
const comparisonShown = {a: null, b: null};

SECTIONS.comparison = () => {
  if (DATA.comparison.groups.length === 0) return;
  for (const container of document.querySelectorAll(".comparison-group")) comparisonGroupChart(container);
  const comparable = DATA.comparison.results.some((_, index) => comparisonPartners(index).length > 0);
  document.getElementById(comparable ? "comparison-two" : "comparison-alone").hidden = false;
  if (!comparable) return;
  const a = document.getElementById("comparison-a"), b = document.getElementById("comparison-b");
  for (const select of [a, b]) select.append(...comparisonOptions());
  a.addEventListener("change", () => comparisonChoose("a", Number(a.value)));
  b.addEventListener("change", () => comparisonChoose("b", Number(b.value)));
  document.getElementById("comparison-swap").addEventListener("click", () => comparisonShow(comparisonShown.b, comparisonShown.a));
  document.getElementById("comparison-figure").addEventListener("change", comparisonFill);
  sortable(document.getElementById("comparison-table"));
  const best = DATA.comparison.groups[0].results.find((index) => comparisonPartners(index).length > 0);
  comparisonChoose("b", best ?? DATA.comparison.results.findIndex((_, index) => comparisonPartners(index).length > 0));
  chosen.follow((run) => {
    if (DATA.comparison.results[comparisonShown.b].run === run) return;
    const index = DATA.comparison.results.findIndex((result, at) => result.run === run && comparisonPartners(at).length > 0);
    if (index >= 0) comparisonShow(comparisonPartners(index)[0], index);
  });
};

/** The results that a result can be compared with, those of its benchmark and split first, the best first. */
function comparisonPartners(index) {
  const {kind} = DATA.comparison.results[index];
  const groups = DATA.comparison.groups.filter((group) => group.kind === kind);
  groups.sort((one, other) => other.results.includes(index) - one.results.includes(index));
  return groups.flatMap((group) => group.results).filter((other) => other !== index);
}

/** Options of a chooser: all results that can be compared, by benchmark, split and task. */
function comparisonOptions() {
  return DATA.comparison.groups.flatMap((group) => {
    const results = group.results.filter((index) => comparisonPartners(index).length > 0);
    const options = results.map((index) => element("option", {value: index}, DATA.comparison.results[index].key));
    return options.length ? [element("optgroup", {label: group.name}, ...options)] : [];
  });
}

/** Choose one of the results; the other one is kept if both can be compared. */
function comparisonChoose(side, index) {
  const before = comparisonShown[side], other = comparisonShown[side === "a" ? "b" : "a"];
  const partners = comparisonPartners(index);
  const partner = other === index && before !== null ? before : partners.includes(other) ? other : partners[0];
  if (side === "a") comparisonShow(index, partner);
  else comparisonShow(partner, index);
}

/** Show the comparison of two results. */
function comparisonShow(a, b) {
  Object.assign(comparisonShown, {a, b});
  document.getElementById("comparison-a").value = a;
  document.getElementById("comparison-b").value = b;
  const [first, second] = [a, b].map((index) => Object.keys(DATA.comparison.results[index].scores));
  const shared = first.filter((figure) => second.includes(figure));
  const select = document.getElementById("comparison-figure"), before = select.value;
  select.replaceChildren(...shared.map((figure) => element("option", {value: figure}, figure)));
  select.value = shared.includes(before) ? before : shared[0] ?? "";
  document.getElementById("comparison-figure-label").hidden = shared.length < 2;
  comparisonFill();
}

/** Fill verdict, table and chart. */
function comparisonFill() {
  const compared = comparisonOf(comparisonShown.a, comparisonShown.b);
  const {a, b} = compared;
  const words = comparisonWords(compared);
  const verdict = document.getElementById("comparison-verdict");
  verdict.classList.toggle("certain", compared.averages[0]?.certain === true);
  verdict.replaceChildren(element("p", {class: "verdict"}, words.verdict), element("p", {class: "note"}, words.basis));
  document.getElementById("comparison-chance").textContent = words.chance;
  document.getElementById("comparison-table").tHead.rows[0].cells[1].title = a.key;
  document.getElementById("comparison-table").tHead.rows[0].cells[2].title = b.key;
  document.getElementById("comparison-averages").replaceChildren(...compared.averages.map(comparisonRow));
  document.getElementById("comparison-classes").replaceChildren(...compared.classes.map(comparisonRow));
  for (const heading of document.querySelectorAll("#comparison-table [aria-sort]")) heading.removeAttribute("aria-sort");
  comparisonClassChart(compared);
}

/** Row of the table. The verdict is a word with a sign, so that it does not depend on colour. */
function comparisonRow({name, a, b, difference, interval, certain}) {
  const number = (text, value) => element("td", {class: "number", "data-value": value ?? ""}, text);
  return element(
    "tr",
    {class: certain ? "certain" : null},
    element("th", {scope: "row"}, name),
    number(percent(a), a),
    number(percent(b), b),
    number(comparisonPoints(difference), difference),
    element("td", {class: "number"}, interval === null ? "-" : comparisonInterval(interval)),
    element("td", {}, certain === null ? "-" : !certain ? "may be chance" : difference > 0 ? "▲ B better" : "▼ A better"),
  );
}
