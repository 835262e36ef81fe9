// Figures and sentences of a comparison.

/** A difference of shares in points with its sign: `+1.31`. */
const comparisonPoints = (value) => (value === null ? "-" : `${value < 0 ? "−" : "+"}${Math.abs(100 * value).toFixed(2)}`);

/** An interval of a difference in points: `+0.42 to +2.21`. */
const comparisonInterval = ([low, high]) => `${comparisonPoints(low)} to ${comparisonPoints(high)}`;

/** Both results with their averages and classes: scores, differences B - A, intervals, and whether these exclude 0. */
function comparisonOf(indexA, indexB) {
  const {results, kinds} = DATA.comparison;
  const a = results[indexA], b = results[indexB], kind = kinds[b.kind];
  const figure = document.getElementById("comparison-figure").value;
  const intervals = comparisonIntervals(indexA, indexB);
  const averages = Object.keys(b.averages).map((name, index) =>
    comparisonFigures(index === 0 ? `average: ${name}` : name, a.averages[name], b.averages[name], index === 0 ? intervals?.[0] : null));
  const isMain = figure === Object.keys(b.scores)[0];
  const classes = kind.classes.map((name, index) =>
    comparisonFigures(name, a.scores[figure]?.[index], b.scores[figure]?.[index], isMain ? intervals?.[1 + index] : null));
  return {a, b, kind, figure, averages, classes, compared: intervals !== null};
}

/** Intervals of B - A: of the main average, then of each class; null if the results have none together. */
function comparisonIntervals(indexA, indexB) {
  const {pairs} = DATA.comparison;
  if (pairs[`${indexA},${indexB}`]) return pairs[`${indexA},${indexB}`];
  const reversed = pairs[`${indexB},${indexA}`];
  return reversed ? reversed.map((interval) => (interval === null ? null : [-interval[1], -interval[0]])) : null;
}

/** Scores of both results with their difference and its interval. */
function comparisonFigures(name, a = null, b = null, interval = null) {
  const difference = a === null || b === null ? null : b - a;
  const found = difference === null ? null : interval ?? null;
  return {name, a, b, difference, interval: found, certain: found === null ? null : found[0] > 0 || found[1] < 0};
}

/** The verdict, what it is based on, and a reminder of chance, as sentences. */
function comparisonWords({a, b, kind, averages, classes, compared}) {
  const {level, resamples, sets} = DATA.comparison;
  const main = averages[0] ?? comparisonFigures("");
  const share = `${Math.round(100 * level)} %`;
  const scores = `${kind.average}: ${percent(main.a)} for A, ${a.key}; ${percent(main.b)} for B, ${b.key}.`;
  const basis = compared
    ? ` The interval holds ${share} of ${resamples} bootstrap resamples of ${comparisonImages(sets[b.images])}, the same ones for both.` +
      " It covers the choice of images, not another training with another seed."
    : "";
  const marked = classes.filter(({certain}) => certain).length;
  const expected = Math.round(1 / (1 - level));
  const chance = compared && classes.some(({interval}) => interval !== null)
    ? `${marked} of ${classes.length} classes ${marked === 1 ? "has an interval that excludes" : "have intervals that exclude"} 0; ` +
      `about 1 of ${expected} does by chance.`
    : "";
  return {verdict: comparisonVerdict(main, comparisonReason(a, b)), basis: scores + basis, chance};
}

/** The comparison of the main averages in words: `B is better by 1.31 points, 0.42 to 2.21: more than chance.` */
function comparisonVerdict({difference, interval, certain}, reason, [a, b] = ["A", "B"]) {
  if (difference === null) return "One of the results has no average.";
  const better = difference < 0 ? a : b;
  const by = difference === 0 ? `${a} and ${b} are equal` : `${better} is better by ${Math.abs(100 * difference).toFixed(2)} points`;
  if (interval === null) return `${by}. No interval: ${reason}.`;
  const ends = (difference < 0 ? [-interval[1], -interval[0]] : interval).map((end) => (100 * end).toFixed(2).replace("-", "−"));
  return `${by}, ${ends[0]} to ${ends[1]}: ${certain ? "more than chance" : "may be chance"}.`;
}

/** The reason why two results have no interval together. */
function comparisonReason(a, b) {
  const {sets} = DATA.comparison;
  const unknown = [a, b].filter(({images}) => images === null);
  if (unknown.length) {
    const named = unknown.map(({key}) => key).join(" and ");
    return `the counts of single images are unknown for ${named}, or there are too many results`;
  }
  return a.images === b.images ? "no class has a score" : `different images (${sets[a.images]} and ${sets[b.images]})`;
}

const comparisonImages = (number) => (number === 1 ? "1 image" : `${number} images`);
