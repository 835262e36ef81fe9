"use strict";
// Section pictures: choosers of set, results, layers and scene, and what follows from them.

/** What is shown: indices of set, results and scene, id of the highlighted class, and the decoded layers. */
const picturesState = {set: 0, a: 0, b: null, scene: null, highlight: null, layers: null};

const picturesSet = () => DATA.pictures.sets[picturesState.set];
const picturesScene = () => picturesSet().scenes[picturesState.scene];

/** Set the section up, if there are pictures. */
SECTIONS.pictures = () => {
  if (DATA.pictures.sets.length === 0) return;
  picturesPart("set").addEventListener("change", (event) => picturesChooseSet(Number(event.target.value), 0));
  picturesPart("a").addEventListener("change", (event) => {
    picturesState.a = Number(event.target.value);
    picturesResults();
    chosen.choose(picturesSet().results[picturesState.a].run);
  });
  picturesPart("b").addEventListener("change", (event) => {
    picturesState.b = event.target.value === "" ? null : Number(event.target.value);
    picturesResults();
  });
  for (const side of ["left", "right"]) picturesPart(side).addEventListener("change", picturesRepaint);
  picturesPart("order").addEventListener("change", () => picturesSort(true));
  picturesPart("filter").addEventListener("input", () => picturesSort(false));
  picturesPart("previous").addEventListener("click", () => picturesStep(-1));
  picturesPart("next").addEventListener("click", () => picturesStep(1));
  picturesPart("stage").addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = {n: 1, N: 1, PageDown: 1, p: -1, P: -1, PageUp: -1}[event.key];
    if (step === undefined) return;
    event.preventDefault();
    picturesStep(step);
  });
  picturesViewSetUp(picturesHover);
  picturesChooseSet(0, 0);
  chosen.follow(picturesFollow);
};

/** Show the pictures of a run that was chosen elsewhere. */
function picturesFollow(run) {
  const {sets} = DATA.pictures;
  picturesPart("missing").hidden = sets.some((set) => set.results.some((result) => result.run === run));
  picturesPart("missing").textContent = `${run} has no pictures; these are of another run.`;
  if (picturesSet().results[picturesState.a].run === run) return;
  const places = [picturesState.set, ...sets.keys()];
  const set = places.find((index) => sets[index].results.some((result) => result.run === run));
  if (set === undefined) return;
  const result = sets[set].results.findIndex((one) => one.run === run);
  if (set !== picturesState.set) picturesChooseSet(set, result);
  else {
    picturesState.a = result;
    if (!picturesState.seen) picturesState.scene = null; // nobody chose the scene, so begin with the worst of this result
    picturesResults();
  }
}

/** Show a set with one of its results. */
function picturesChooseSet(index, result) {
  Object.assign(picturesState, {set: index, a: result, b: null, scene: null, highlight: null});
  picturesPart("set").value = index;
  picturesOptions(picturesSet(), index, picturesChoose);
  picturesLegend(picturesSet(), (id) => {
    picturesState.highlight = picturesState.highlight === id ? null : id;
    picturesRepaint();
  });
  picturesResults();
}

/** Update everything that depends on the chosen results. */
function picturesResults() {
  const {a} = picturesState;
  if (picturesState.b === a) picturesState.b = null;
  const {b} = picturesState;
  const set = picturesSet();
  const options = set.results.map(({key}, index) => element("option", {value: index}, key));
  picturesPart("a").replaceChildren(...options);
  picturesPart("a").value = a;
  const others = set.results.map(({key}, index) => element("option", {value: index}, key)).filter((_, index) => index !== a);
  picturesPart("b").replaceChildren(element("option", {value: ""}, "none"), ...others);
  picturesPart("b").value = b ?? "";
  picturesPart("b").disabled = others.length === 0;
  picturesLayers(set, a, b);
  picturesOrders(set, b);
  picturesNote(set, a, b);
  picturesSort(picturesState.scene === null);
}

/** Fill the choosers of both layers, and keep what was chosen, unless the second result has come or gone. */
function picturesLayers(set, a, b) {
  const truth = set.scenes.some((scene) => scene.truth);
  const kinds = ["prediction", "overlay", ...(truth ? ["errors"] : []), ...(set.confidence ? ["confidence"] : [])];
  const layers = [["image", PICTURES_KINDS.image], ...(truth ? [["truth", PICTURES_KINDS.truth]] : [])];
  for (const [letter, result] of [["a", a], ["b", b]]) {
    if (result !== null) layers.push(...kinds.map((kind) => [`${kind} ${letter}`, `${PICTURES_KINDS[kind]}${b === null ? "" : ` ${letter.toUpperCase()}`}`]));
  }
  const usual = b === null ? [truth ? "truth" : "image", "prediction a"] : ["prediction a", "prediction b"];
  for (const [at, side] of ["left", "right"].entries()) {
    const chooser = picturesPart(side);
    const before = chooser.value;
    const keep = before && layers.some(([value]) => value === before) && chooser.dataset.results === String(b === null);
    chooser.replaceChildren(...layers.map(([value, label]) => element("option", {value}, label)));
    chooser.value = keep ? before : usual[at];
    chooser.dataset.results = String(b === null);
  }
}

/** Say which pixels the scores are from. */
function picturesNote(set, a, b) {
  const scores = set.scenes.flatMap((scene) => [a, b].map((result) => (result === null ? null : scene.scores[result]))).filter(Boolean);
  const {size, full} = set.scenes[0];
  const reduced = size[0] < full[0] ? `Pictures are reduced, the first one from ${full.join(" x ")} to ${size.join(" x ")} pixels.` : "Pictures have their full size.";
  const few = set.available > set.scenes.length ? ` Of ${set.available} scenes, ${set.scenes.length} are here${scores.length === 0 ? "" : ", the worst of each result"}; --pictures and --megabytes allow more.` : "";
  const from = scores.length === 0
    ? " There is no ground truth, so there are no scores."
    : scores.every(({exact}) => exact)
      ? " IoU is that of all pixels of the files."
      : " IoU is that of the reduced pixels where no result file has counts of single images: scores from it may differ a little.";
  picturesPart("note").textContent = reduced + from + few;
}

/** Sort and filter; show the first scene if requested, or if the shown one is filtered out. */
function picturesSort(first) {
  picturesArrange(picturesSet(), picturesState.a, picturesState.b);
  const {order} = picturesList;
  const shown = order.includes(picturesState.scene);
  if (order.length > 0 && (first || !shown)) picturesChoose(order[0]);
  else if (shown) picturesChoose(picturesState.scene);
}

/** Show the next or an earlier scene of the list. */
function picturesStep(step) {
  const {order} = picturesList;
  if (order.length === 0) return;
  const at = order.indexOf(picturesState.scene);
  picturesChoose(order[(at + step + order.length) % order.length]);
}

/** Show a scene. */
function picturesChoose(index) {
  const {order} = picturesList;
  picturesState.scene = index;
  picturesPart("name").textContent = picturesScene().name;
  picturesPart("place").textContent = `${order.indexOf(index) + 1} of ${order.length}`;
  picturesMark(index);
  if (picturesState.seen) picturesRepaint();
  else if (!picturesState.watched) picturesAwait();
}

/** Decode the first scene when the page is open and idle, so that it is printed too, or as soon as the view comes near. */
function picturesAwait() {
  picturesState.watched = true;
  const show = () => {
    watcher.disconnect();
    if (!picturesState.seen) {
      picturesState.seen = true;
      picturesRepaint();
    }
  };
  const watcher = new IntersectionObserver((entries) => {
    if (entries.some(({isIntersecting}) => isIntersecting)) show();
  }, {rootMargin: "400px"});
  watcher.observe(picturesPart("stage"));
  addEventListener("load", () => (globalThis.requestIdleCallback ?? setTimeout)(show), {once: true});
}

/** Decode what is needed, and paint both layers and the legend. */
async function picturesRepaint() {
  const {a, b, highlight} = picturesState;
  const [set, scene] = [picturesSet(), picturesScene()];
  const layers = await picturesDecode(set, scene, [a, b]);
  if (scene !== picturesScene() || a !== picturesState.a || b !== picturesState.b) return;
  picturesState.layers = layers;
  const [left, right] = ["left", "right"].map((side) => {
    const [kind, letter] = picturesPart(side).value.split(" ");
    const result = letter === "b" ? b : a;
    const words = picturesWords(set, scene, kind, letter ? result : null);
    return {canvas: picturesPaint(set, layers, {kind, result}, highlight), smooth: kind === "image" || kind === "overlay", ...words};
  });
  picturesShow(left, right);
  picturesLegendFill(set, scene, layers, a, b, highlight);
  picturesPart("pixel").textContent = "";
  const altered = ![layers.truth, ...Object.values(layers.predictions)].every((mask) => picturesAreIds(set, mask));
  if (altered) picturesPart("pixel").textContent = "This browser alters pictures that a page reads, for privacy: colours here are wrong.";
}

/** Title of a layer, and its name for people who do not see it. */
function picturesWords(set, scene, kind, result) {
  const words = PICTURES_KINDS[kind];
  if (result === null) return {title: words, name: `${words} of ${scene.name}`};
  const key = set.results[result].key;
  if (!scene.predictions[result]) return {title: `no ${words} of ${key}`, name: `no ${words} of ${key}`};
  const mean = scene.scores[result]?.mean ?? null;
  const score = mean === null ? "" : `: mean IoU ${percent(mean)} %`;
  return {title: `${words}${score}, ${key}`, name: `${words} of ${scene.name} by ${key}${score}`};
}

/** Name the classes at a pixel. */
function picturesHover(pixel) {
  const {layers, a, b} = picturesState;
  const text = picturesPart("pixel");
  if (pixel === null || layers === null) {
    text.textContent = "";
    return;
  }
  const [set, scene] = [picturesSet(), picturesScene()];
  const at = pixel.row * layers.width + pixel.column;
  const name = (id) => set.classes[id]?.name ?? "no class";
  const parts = layers.truth ? [`truth: ${name(layers.truth[at])}`] : [];
  for (const [letter, result] of [["A", a], ["B", b]]) {
    const mask = result === null ? null : layers.predictions[result];
    if (!mask) continue;
    const sure = layers.confidences[result];
    const share = sure ? ` (confidence ${Math.round((100 * (sure[at] + 0.5)) / set.confidence.levels)} %)` : "";
    const verdict = !layers.truth || layers.truth[at] === 255 ? "" : layers.truth[at] === mask[at] ? ", right" : ", wrong";
    parts.push(`${b === null ? "predicted" : letter}: ${name(mask[at])}${share}${verdict}`);
  }
  const [x, y] = [pixel.column, pixel.row].map((place, axis) => Math.floor(((place + 0.5) * scene.full[axis]) / scene.size[axis]));
  text.textContent = `x ${x}, y ${y}: ${parts.join("; ")}`;
}
